#include "egress/query/read_progress.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <list>
#include <thread>

#include "base/hex.hpp"
#include "egress/query/read_summary.hpp"
#include "http/server.hpp"
#include "store/pruner.hpp"
#include "support/fake_clock.hpp"
#include "unit/http/client.hpp"

namespace pebbles::query {
namespace {

using http::testing::body_of;
using http::testing::Client;
using http::testing::status_of;
using std::chrono_literals::operator""s;

/// Three files of krn:a, newest first; `away` makes every call fail.
class FewRecords final : public store::ProgressReader {
 public:
  FewRecords() {
    for (std::uint8_t i = 3; i > 0; --i) {
      auto record = std::make_shared<store::Snapshot>();
      record->stream = {.client = domain::ClientKrn{"krn:a"}, .filename = domain::Filename{"f" + std::to_string(i)}};
      record->progress.version = 1;
      record->progress.id = {i};
      record->progress.owner = domain::Email{i == 2 ? "x+y@z.c" : "a@b.c"};
      record->progress.updated_at = Timestamp{std::chrono::milliseconds{1000 * i}};
      records.push_back(std::move(record));
    }
  }
  Result<store::SnapshotPtr> by_filename(const store::StreamId& stream) override {
    ++reads;
    held.wait(true);
    return find([&](const auto& record) { return record.stream == stream; });
  }
  Result<store::SnapshotPtr> by_id(const domain::ClientKrn& client, const domain::FileId& id) override {
    return find([&](const auto& record) { return record.stream.client == client && record.progress.id == id; });
  }
  Result<store::ListPage> list(const domain::ClientKrn& client, const store::ListQuery& query) override {
    if (away) return failure(Errc::store_unavailable, "secret");
    store::ListPage out;
    for (const auto& record : records) {
      const auto& progress = record->progress;
      if (record->stream.client != client || (query.owner && progress.owner != *query.owner)) continue;
      if (query.after && progress.updated_at >= query.after->updated_at) continue;
      if (out.records.size() == query.limit) {
        out.next = position_of(store::ListOrder::updated, *out.records.back());
        break;
      }
      out.records.push_back(record);
    }
    return out;
  }
  Result<store::ClientSummary> summary(const domain::ClientKrn& client, Timestamp) override {
    ++summaries;
    if (away) return failure(Errc::store_unavailable, "secret");
    if (*client != "krn:a") return store::ClientSummary{};
    return store::ClientSummary{.running = 5, .completed = 4, .with_errors = 3, .with_warnings = 2, .stalled = 1};
  }
  Result<store::EventPage> events(const store::StreamId&, domain::Version after, const store::PageBounds&) override {
    return log ? log(after) : store::EventPage{};
  }
  Result<store::FeedPage> client_events(const domain::ClientKrn&, const store::FeedQuery&) override { return {}; }
  Result<std::int64_t> feed_end() override { return 0; }
  Result<store::TailPage> tail(store::TailCursor, std::size_t) override { return {}; }
  Result<store::CursorKey> cursor_key() override {
    if (!has_key) return failure(Errc::store_unavailable, "secret");
    return store::CursorKey{1};
  }
  Result<void> ping() override {
    if (away) return failure(Errc::store_unavailable, "secret");
    return {};
  }

  std::vector<store::SnapshotPtr> records;
  std::function<store::EventPage(domain::Version)> log;  ///< the page behind a version
  std::atomic<bool> away = false;
  std::atomic<bool> has_key = true;
  std::atomic<bool> held = false;  ///< reads of a file by its name wait
  std::atomic<int> reads = 0;
  std::atomic<int> summaries = 0;

 private:
  template <class Is>
  Result<store::SnapshotPtr> find(Is is) {
    if (away) return failure(Errc::store_unavailable, "secret");
    for (const auto& record : records)
      if (is(*record)) return record;
    return store::SnapshotPtr{};
  }
};

class ReadProgressTest : public ::testing::Test {
 protected:
  ReadProgressTest() {
    http::ServerOptions options;
    options.answers_bytes_max = 1;
    auto started = http::Server::start(std::move(options), [this](http::Loop& loop) {
      budget = &loop.long_answers();
      const QueryParts parts{.reader = reader,
                             .clock = clock,
                             .client_rule = rule,
                             .pool = pool,
                             .lists = pool,
                             .logs = pool,
                             .options = {.limit_default = 1000, .limit_max = 2, .items_max = 100}};
      const ReadAccess access{.guard = std::make_shared<access::Guard>(keys, access::GuardOptions{}, clock)};
      add_routes(loop, parts, access);
      add_summary_route(loop, parts, access);
    });
    server = *std::move(started);
  }
  ~ReadProgressTest() override {
    server->stop(1s);
    pool.stop();
  }
  std::string get(const std::string& target, const std::string& headers = "") const {
    return http::testing::get_from(server->port(), target, headers);
  }
  static std::string between(const std::string& text, const std::string& before, const std::string& after) {
    const auto start = text.find(before);
    if (start == text.npos) return "";
    return text.substr(start + before.size(), text.find(after, start + before.size()) - start - before.size());
  }

  FewRecords reader;
  support::FakeClock clock;
  http::ByteBudget* budget = nullptr;
  admission::ClientKrnRule rule = *admission::ClientKrnRule::compile(admission::ClientKrnRule::default_pattern);
  std::unique_ptr<http::Server> server;  // outlives what resumes its handlers
  auth::KeyRing keys{auth::KeySet{}};
  http::WorkerPool pool{{.threads = 2, .queue_max = 16}};
};

TEST_F(ReadProgressTest, FindsOneFile) {
  const auto found = get("/clients/krn%3Aa/progress?filename=f2&email=nobody");
  EXPECT_EQ(status_of(found), 200);
  EXPECT_EQ(body_of(found).substr(0, 35), R"({"id":"020000000000000000000000","c)");
  EXPECT_EQ(status_of(get("/clients/krn:a/progress?filename=f9")), 404);
  EXPECT_EQ(status_of(get("/clients/krn:b/progress?filename=f2")), 404);
  EXPECT_EQ(body_of(get("/clients/krn:a/progress/020000000000000000000000")), body_of(found));
  for (const std::string id : {"02000000000000000000000", "0200000000000000000000000", "x20000000000000000000000", ""})
    EXPECT_EQ(status_of(get("/clients/krn:a/progress/" + id)), 404) << id;
  EXPECT_EQ(status_of(get("/clients/krn:b/progress/020000000000000000000000")), 404);
  EXPECT_EQ(status_of(get("/clients/other/progress")), 400);
  EXPECT_EQ(status_of(get("/clients/krn:a/progress?filename=f1&filename=f2")), 400);
}

/// Two events a page; behind the first page a baseline has come to stand for the first four.
TEST_F(ReadProgressTest, APastIsReadThoughItsLogIsCutMeanwhile) {
  store::Snapshot state;
  std::vector<domain::ProgressEvent> events;
  std::optional<domain::ProgressEvent> baseline;
  for (domain::Version version = 1; version <= 6; ++version) {
    domain::ProgressEvent event{
        .version = version,
        .id = version == 1 ? std::optional{reader.records[2]->progress.id} : std::nullopt,
        .at = Timestamp{std::chrono::seconds{version}},
        .by = domain::Email{"a@b.c"},
        .key = std::nullopt,
        .position = std::nullopt,
        .what = domain::Reported{.counts = {.done = 1}, .total = {}, .errors = {}, .warnings = {}}};
    state.progress = evolve(std::move(state.progress), event);
    events.push_back(std::move(event));
    if (version == 4) baseline = store::baseline_of(state);
  }
  state.stream = reader.records[2]->stream;
  reader.records[2] = std::make_shared<store::Snapshot>(state);
  reader.log = [&](domain::Version after) {
    if (after == 0) return store::EventPage{.events = {events[0], events[1]}, .more = true};
    return store::EventPage{.events = {*baseline, events[4], events[5]}, .more = false};
  };
  const std::string path = "/clients/krn:a/progress/010000000000000000000000?at=";
  EXPECT_EQ(between(get(path + "5"), R"("done":)", ","), "5");
  EXPECT_EQ(between(get(path + "4"), R"("done":)", ","), "4");
  EXPECT_EQ(status_of(get(path + "3")), 404);
  EXPECT_EQ(status_of(get(path + "1970-01-01T00:00:03Z")), 404);
  EXPECT_EQ(between(get(path + "1970-01-01T00:00:05Z"), R"("done":)", ","), "5");
}

TEST_F(ReadProgressTest, WithoutTheKeyOfCursorsThereIsNoFurtherPage) {
  reader.has_key = false;
  EXPECT_EQ(status_of(get("/clients/krn:b/progress")), 200) << "a list that ends needs none";
  for (const auto* path : {"/clients/krn:a/progress", "/clients/krn:a/progress?cursor=x"}) {
    const auto refused = get(path);
    EXPECT_EQ(status_of(refused), 503);
    EXPECT_NE(refused.find("\r\nRetry-After: 1\r\n"), refused.npos);
    EXPECT_EQ(refused.find("secret"), refused.npos);
  }
  reader.has_key = true;
  EXPECT_EQ(status_of(get("/clients/krn:a/progress")), 200);
  const auto wrong = get("/clients/krn:a/progress?cursor=x");
  EXPECT_EQ(status_of(wrong), 400);
  EXPECT_NE(wrong.find("cursor is not one of this list: start again without cursor"), wrong.npos);
}

TEST_F(ReadProgressTest, ListsThatNobodyReadsAreNotFollowedByMore) {
  auto unread = budget->take(1);
  const auto refused = get("/clients/krn:a/progress");
  EXPECT_EQ(status_of(refused), 503);
  EXPECT_NE(refused.find("\r\nRetry-After: 1\r\n"), refused.npos);
  EXPECT_EQ(status_of(get("/clients/krn:a/progress?filename=f2")), 200);
  unread.reset();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(status_of(get("/clients/krn:a/progress")), 200) << "what is sent is given back";
}

TEST_F(ReadProgressTest, ManyWhoAskForOneRecordShareAReadThatBeganBehindThem) {
  const std::string request =
      "GET /clients/krn:a/progress?filename=f1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  const auto came = [&](int reads) {
    for (int i = 0; i < 500 && reader.reads < reads; ++i) std::this_thread::sleep_for(std::chrono::milliseconds{10});
  };
  reader.held = true;
  std::list<Client> clients;
  clients.emplace_back(server->port()).send(request);
  came(1);
  for (int i = 0; i < 20; ++i) clients.emplace_back(server->port()).send(request);
  // Another record does not wait for this one.
  reader.away = false;
  EXPECT_EQ(status_of(get("/clients/krn:a/progress/020000000000000000000000")), 200);
  auto changed = std::make_shared<store::Snapshot>(*reader.records[2]);
  changed->progress.counts.done = 77;
  std::this_thread::sleep_for(std::chrono::milliseconds{100});  // the twenty have asked
  reader.records[2] = changed;
  reader.held = false;
  reader.held.notify_all();
  for (auto& client : clients) {
    const auto answer = client.read_to_end();
    EXPECT_EQ(status_of(answer), 200);
    EXPECT_NE(answer.find("\"done\":77"), answer.npos);
  }
  EXPECT_EQ(reader.reads, 2);  // the twenty had none of the first, and one for all of them
}

TEST_F(ReadProgressTest, PagesThroughAList) {
  const auto first = get("/clients/krn:a/progress?limit=100&unknown=1");
  const auto link = between(first, "\r\nLink: <", R"(>; rel="next")");
  ASSERT_TRUE(link.starts_with("/clients/krn%3Aa/progress?limit=2&cursor=")) << first;
  const auto cursor = link.substr(link.find('?'));
  EXPECT_NE(first.find(R"("filename":"f3")"), first.npos);
  const auto second = get(link);
  EXPECT_EQ(second.find("Link:"), second.npos);
  EXPECT_NE(second.find(R"("filename":"f1")"), second.npos);
  EXPECT_EQ(second.find(R"("filename":"f2")"), second.npos);
  EXPECT_EQ(status_of(get("/clients/krn:b/progress" + cursor)), 400);
  EXPECT_EQ(status_of(get(link + "&email=a@b.c")), 400);
  EXPECT_EQ(body_of(get("/clients/krn:b/progress")), "[]");
  EXPECT_NE(get("/clients/krn:a/progress?email=x%2By@z.c").find(R"("filename":"f2")"), std::string::npos);
  const auto filtered = get("/clients/krn:a/progress?email=a%40b.c&limit=1");
  EXPECT_TRUE(between(filtered, "Link: <", ">").starts_with("/clients/krn%3Aa/progress?limit=1&email=a%40b.c&cursor="))
      << filtered;
  for (const std::string bad :
       {"limit=0", "limit=-1", "limit=1e3", "limit=99999999999999999999", "limit=", "limit=+1", "limit=1&limit=1",
        "limit=0x1", "limit=%201", "cursor=", "cursor=AAAA", "cursor=%00", "page=2", "offset=0"})
    EXPECT_EQ(status_of(get("/clients/krn:a/progress?" + bad)), 400) << bad;
}

TEST_F(ReadProgressTest, AnswersNotModified) {
  for (const std::string target : {"/clients/krn:a/progress", "/clients/krn:a/progress?filename=f1"}) {
    const auto tag = between(get(target), "\r\nETag: ", "\r\n");
    for (const auto& known : {tag, "W/" + tag}) {
      const auto same = get(target, "If-None-Match: \"x\", " + known + "\r\n");
      EXPECT_EQ(status_of(same), 304);
      EXPECT_EQ(body_of(same), "");
      EXPECT_EQ(between(same, "\r\nETag: ", "\r\n"), known) << "as the client got it";
      EXPECT_NE(same.find("Cache-Control: no-cache\r\n"), same.npos);
    }
    EXPECT_EQ(status_of(get(target, "If-None-Match: *\r\n")), 304);
    EXPECT_EQ(status_of(get(target, "If-None-Match: \"x\"\r\n")), 200);
  }
  EXPECT_EQ(status_of(get("/clients/krn:a/progress?filename=f9", "If-None-Match: *\r\n")), 404);
}

TEST_F(ReadProgressTest, CountsFilesOnceAMoment) {
  const auto summary = get("/clients/krn:a/summary");
  EXPECT_EQ(status_of(summary), 200);
  const std::string counts =
      R"({"clientKrn":"krn:a","files":9,"running":5,"completed":4,"withErrors":3,"withWarnings":2,"stalled":1,"asOf":")";
  EXPECT_EQ(body_of(summary), counts + to_rfc3339(clock.now()) + "\"}");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(body_of(get("/clients/krn:a/summary")), body_of(summary));
  EXPECT_EQ(reader.summaries, 1);
  EXPECT_NE(body_of(get("/clients/krn:b/summary")).find(R"("files":0,)"), std::string::npos);
  EXPECT_EQ(reader.summaries, 2);
  EXPECT_EQ(status_of(get("/clients/other/summary")), 400);
  reader.away = true;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(status_of(get("/clients/krn:c/summary")), 503);
  reader.away = false;
  EXPECT_EQ(status_of(get("/clients/krn:c/summary")), 200) << "a failure is not kept";
}

TEST_F(ReadProgressTest, AListSaysWhatIsWrongWithItsParameters) {
  const std::string list = "/clients/krn:a/progress?";
  for (const std::string bad : {"status=",
                                "status=done",
                                "status=Running",
                                "status=running,completed",
                                "status=running&status=running",
                                "filenamePrefix=",
                                "filenamePrefix=a&filenamePrefix=a",
                                "createdAfter=",
                                "createdAfter=yesterday",
                                "createdAfter=1700000000",
                                "createdAfter=2025-06-04",
                                "createdAfter=2025-06-04T12:00:00%2B02:00",
                                "createdAfter=2025-06-04T12:00:00Z&createdAfter=2025-06-04T12:00:00Z",
                                "updatedAfter=",
                                "updatedAfter=2025-13-04T12:00:00Z",
                                "updatedAfter=2025-06-04T12:00:00Z&updatedAfter=2025-06-04T12:00:00Z",
                                "sort=",
                                "sort=id",
                                "sort=UpdatedAt",
                                "sort=%2BupdatedAt",
                                "sort=--updatedAt",
                                "sort=filename&sort=filename"}) {
    EXPECT_EQ(status_of(get(list + bad)), 400) << bad;
    EXPECT_EQ(status_of(get(list + bad + "&filename=f1")), 400) << bad << ": also where it does not count";
  }
  const auto all = get(list +
                       "limit=1&email=a%40b.c&status=stalled&filenamePrefix=f%26&sort=-createdAt&"
                       "createdAfter=1960-01-01T00:00:00.1234Z&updatedAfter=1960-01-01T00:00:00Z");
  EXPECT_TRUE(between(all, "Link: <", ">")
                  .starts_with("/clients/krn%3Aa/"
                               "progress?limit=1&email=a%40b.c&status=stalled&filenamePrefix=f%26&createdAfter=1960-01-"
                               "01T00%3A00%3A00.123Z&"
                               "updatedAfter=1960-01-01T00%3A00%3A00.000Z&sort=-createdAt&cursor="))
      << all;
  EXPECT_EQ(status_of(get(between(all, "Link: <", ">"))), 200);
}

TEST_F(ReadProgressTest, AsksForAnotherTryWhileTheStoreIsAway) {
  reader.away = true;
  const auto away = get("/clients/krn:a/progress");
  EXPECT_EQ(status_of(away), 503);
  EXPECT_NE(away.find("Retry-After: "), away.npos);
  EXPECT_EQ(away.find("secret"), away.npos);
  reader.away = false;
  EXPECT_EQ(status_of(get("/clients/krn:a/progress")), 200);
}

}  // namespace
}  // namespace pebbles::query
