#include "ingress/rest/report_progress.hpp"

#include <gtest/gtest.h>

#include <map>

#include "admission/update.hpp"
#include "http/server.hpp"
#include "unit/http/client.hpp"

namespace pebbles::rest {
namespace {

using http::testing::body_of;
using http::testing::Client;
using http::testing::status_of;
using std::chrono_literals::operator""s;

constexpr const char* secret = "0123456789abcdef0123456789abcdef";

/// Keeps states and keys, as far as these tests need; `broken` makes every commit fail for a while.
class MemoryStore final : public store::EventStore {
 public:
  explicit MemoryStore(const bool& broken) : broken_{broken} {}
  Result<std::vector<store::Loaded>> load(std::span<const store::StreamId> streams, store::LoadMode) override {
    std::vector<store::Loaded> out;
    for (const auto& stream : streams) out.push_back({.snapshot = states_[stream], .after = {}});
    return out;
  }
  Result<std::vector<std::optional<domain::KeyHit>>> find_keys(std::span<const store::KeyQuery> queries) override {
    std::vector<std::optional<domain::KeyHit>> out;
    for (const auto& query : queries) {
      const auto found = keys_.find({query.stream, query.hash});
      out.push_back(found == keys_.end() ? std::nullopt : std::optional{found->second});
    }
    return out;
  }
  Result<std::vector<std::optional<store::Token>>> find_tokens(std::span<const store::ChunkQuery> queries) override {
    return std::vector<std::optional<store::Token>>(queries.size());
  }
  std::vector<store::AppendOutcome> commit(std::span<const store::Append> batch) override {
    if (broken_) return std::vector(batch.size(), store::AppendOutcome::not_stored);
    for (const auto& append : batch) {
      states_[append.after->stream] = append.after;
      for (const auto& event : append.chunk.events)
        if (event.key) keys_[{append.after->stream, event.key->hash}] = {event.version, event.key->fingerprint};
    }
    return std::vector(batch.size(), store::AppendOutcome::stored);
  }
  bool maintain(store::Load) override { return false; }

 private:
  const bool& broken_;
  std::map<store::StreamId, store::SnapshotPtr> states_;
  std::map<std::pair<store::StreamId, store::ShortDigest>, domain::KeyHit> keys_;
};

class ReportProgressTest : public ::testing::Test {
 protected:
  ReportProgressTest() {
    std::vector<std::unique_ptr<store::EventStore>> stores;
    stores.push_back(std::make_unique<MemoryStore>(broken));
    ingest.emplace(std::move(stores), ingest::IngestOptions{});
    auto started = http::Server::start({}, [this](http::Loop& loop) {
      add_routes(loop, {.ingest = *ingest, .client_rule = rule, .clock = clock, .pool = pool, .batches = batches},
                 std::make_shared<access::Guard>(keys, access::GuardOptions{}, clock));
    });
    server = *std::move(started);
  }
  ~ReportProgressTest() override {
    server->stop(1s);
    ingest->stop(1s);
    pool.stop();
  }

  std::string token(std::string_view email) const {
    return "Authorization: Bearer " +
           auth::mint_token({.hmac_secret = secret, .email = domain::Email{std::string{email}}, .client = {}},
                            clock.now()) +
           "\r\n";
  }
  static std::string update(std::string_view more = "") {
    return R"({"filename":"f.csv","counts":{"done":1,"warn":0,"failed":0})" + std::string{more} + "}";
  }
  std::string post(const std::string& headers, const std::string& body,
                   const std::string& client = "krn:acme%3Aa") const {
    Client to{server->port()};
    to.send("POST /clients/" + client + "/progress HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + headers +
            "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return to.read_to_end();
  }
  std::string post_as(std::string_view email, const std::string& body, const std::string& headers = "") const {
    return post(token(email) + "Content-Type: application/json\r\n" + headers, body);
  }

  bool broken = false;
  SystemClock clock;
  auth::KeyRing keys{{.keys = {auth::make_hmac_key(secret)}, .algorithms = {}}};
  admission::ClientKrnRule rule = *admission::ClientKrnRule::compile(admission::ClientKrnRule::default_pattern);
  http::WorkerPool pool{{.threads = 1}};
  http::ByteBudget batches{1U << 20U};
  std::unique_ptr<http::Server> server;  // outlives what resumes its handlers
  std::optional<ingest::Ingest> ingest;
};

TEST_F(ReportProgressTest, CreatesAndUpdates) {
  const auto created = post_as("a@b.c", update(R"(,"errors":[{"line":2,"message":"m"}])"));
  EXPECT_EQ(status_of(created), 200);
  EXPECT_EQ(body_of(created), R"({"result":"created","clientKrn":"krn:acme:a","filename":"f.csv",)"
                              R"("counts":{"done":1,"warn":0,"failed":0},"total":null,"isCompleted":false,)"
                              R"("errors":[{"line":2,"message":"m"}],"warnings":[]})");
  const auto last = post_as("a@b.c", update(R"(,"isLast":true,"total":2)"), "Prefer: return=minimal\r\n");
  EXPECT_EQ(body_of(last), R"({"result":"updated","clientKrn":"krn:acme:a","filename":"f.csv",)"
                           R"("counts":{"done":2,"warn":0,"failed":0},"total":2,"isCompleted":true})");
  EXPECT_NE(last.find("Preference-Applied: return=minimal"), last.npos);
  EXPECT_EQ(status_of(post_as("a@b.c", update())), 400);
  EXPECT_EQ(status_of(post_as("x@b.c", update())), 403);
}

TEST_F(ReportProgressTest, AKeyCountsOnce) {
  const std::string quoted = "Idempotency-Key: \"k1\"\r\n";
  EXPECT_EQ(status_of(post_as("a@b.c", update(), quoted)), 200);
  for (const auto& again :
       {post_as("a@b.c", update(), quoted), post_as("a@b.c", update(), "Idempotency-Key: k1\r\n"),
        post_as("a@b.c", update(R"(,"eventId":"k1")")), post_as("a@b.c", update(R"(,"eventId":"k1")"), quoted)}) {
    EXPECT_EQ(status_of(again), 200);
    EXPECT_NE(again.find("Idempotent-Replayed: true\r\n"), again.npos);
    EXPECT_NE(again.find(R"("result":"updated")"), again.npos);
    EXPECT_NE(again.find(R"("done":1,)"), again.npos);
  }
  EXPECT_EQ(status_of(post_as("a@b.c", update(R"(,"isLast":true)"), quoted)), 422);
  EXPECT_EQ(status_of(post_as("a@b.c", update(R"(,"eventId":"k2")"), quoted)), 400);
  EXPECT_EQ(status_of(post_as("a@b.c", update(), "Idempotency-Key:\r\n")), 400);
  EXPECT_EQ(status_of(post_as("a@b.c", update(), quoted + quoted)), 400);
  EXPECT_EQ(status_of(post_as("a@b.c", update(), "Idempotency-Key: " + std::string(257, 'k') + "\r\n")), 400);
}

TEST_F(ReportProgressTest, ChecksInOrder) {
  const std::string json = "Content-Type: application/json\r\n";
  const auto good = token("a@b.c");
  EXPECT_EQ(status_of(post("", "junk", "no-krn")), 401);
  EXPECT_NE(post("", "junk").find("WWW-Authenticate: Bearer\r\n"), std::string::npos);
  EXPECT_EQ(status_of(post("Authorization: Bearer x.y.z\r\n", "junk")), 401);
  EXPECT_EQ(status_of(post(good + good + json, update())), 401);
  EXPECT_EQ(status_of(post(good, "junk", "no-krn")), 400);
  EXPECT_EQ(status_of(post(good, "junk")), 415);
  EXPECT_EQ(status_of(post(good + "Content-Type: text/plain\r\n", update())), 415);
  EXPECT_EQ(status_of(post(good + json + "Content-Encoding: gzip\r\n", update())), 415);
  EXPECT_EQ(status_of(post(good + json, std::string(admission::update_bytes_max + 1, ' '))), 413);
  const auto faults = post(good + json, R"({"filename":"","counts":{"done":-1,"warn":0,"failed":0}})");
  EXPECT_EQ(status_of(faults), 400);
  EXPECT_NE(faults.find(R"("pointer":"/counts/done")"), faults.npos);
  EXPECT_EQ(status_of(post(good + json, "")), 400);
}

TEST_F(ReportProgressTest, AFaultThatPassesIsA503) {
  broken = true;
  const auto said = post_as("a@b.c", update());
  EXPECT_EQ(status_of(said), 503);
  EXPECT_NE(said.find("Retry-After: 1\r\n"), said.npos);
  ingest->stop(1s);
  EXPECT_EQ(status_of(post_as("a@b.c", update())), 503);
}

}  // namespace
}  // namespace pebbles::rest
