#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <set>
#include <thread>

#include "ingest/file_ids.hpp"
#include "ingress/rest/ack_sink.hpp"
#include "ingress/rest/answers.hpp"
#include "ingress/rest/request_headers.hpp"

namespace pebbles::rest {
namespace {

TEST(IdempotencyKey, IsAStringOrBare) {
  EXPECT_EQ(read_idempotency_key(R"("a b")"), "a b");
  EXPECT_EQ(read_idempotency_key(R"( "a\"\\b" )"), R"(a"\b)");
  EXPECT_EQ(read_idempotency_key(R"("a";x=1)"), "a");
  EXPECT_EQ(read_idempotency_key("8e03978e-40d5"), "8e03978e-40d5");
  EXPECT_EQ(read_idempotency_key(R"(a"b)"), R"(a"b)");
  EXPECT_EQ(read_idempotency_key(""), "");
  EXPECT_EQ(read_idempotency_key(R"("")"), "");
  for (const auto* bad : {R"("a)", R"(")", R"("a" b)", R"("a\n")", R"("a\)", "\"\xc3\xa4\""})
    EXPECT_FALSE(read_idempotency_key(bad)) << bad;
}

TEST(Preconditions, AreListsOfTags) {
  const std::string id = "0102030000000000000000ff";
  const auto of = [](const std::string& value, Comparison comparison) {
    const auto list = read_tag_list(value, comparison);
    return !list ? -1 : list->any ? 99 : static_cast<int>(list->tags.size());
  };
  const auto tag = '"' + id + "-7-0-1-100\"";
  struct Case {
    std::string value;
    int strong;
    int weak;
  };
  for (const auto& [value, strong, weak] : std::vector<Case>{
           {" * ", 99, 99},
           {tag, 1, 1},
           {"W/" + tag, 0, 1},
           {tag + ", W/" + tag + " ,\"a,b\",, " + tag, 2, 3},
           {"\"\"", 0, 0},
           {"\"abc\"", 0, 0},
           {"", -1, -1},
           {",", -1, -1},
           {"*, " + tag, -1, -1},
           {"abc", -1, -1},
           {"w/" + tag, -1, -1},
           {tag + tag, -1, -1},
           {"\"abc", -1, -1},
           {"W/*", -1, -1},
       }) {
    EXPECT_EQ(of(value, Comparison::strong), strong) << value;
    EXPECT_EQ(of(value, Comparison::weak), weak) << value;
  }
  EXPECT_EQ(read_tag_list(tag, Comparison::strong)->tags.front().version, 7);
}

TEST(Prefer, ReturnMinimal) {
  for (const auto* yes : {"return=minimal", "wait=1, Return=\"minimal\"; x=y"})
    EXPECT_TRUE(prefers_minimal(yes)) << yes;
  for (const auto* no : {"", "minimal", "return=representation", "x; return=minimal"})
    EXPECT_FALSE(prefers_minimal(no));
}

TEST(FileIds, GrowAndTellNothing) {
  using std::chrono::milliseconds;
  ingest::FileIds ids;
  const auto now = Timestamp{std::chrono::seconds{0x65554e80}};
  std::set<domain::FileId> seen;
  domain::FileId last{};
  for (int i = 0; i < 3000; ++i) {
    const auto id = ids.next(now + milliseconds{i / 3});  // three in each millisecond, over seconds
    EXPECT_GT(id, last);
    EXPECT_TRUE(seen.insert(id).second);
    last = id;
  }
  EXPECT_EQ((std::vector<int>{last.begin(), last.begin() + 4}), (std::vector<int>{0x65, 0x55, 0x4e, 0x80}));
  EXPECT_GT(ids.next(now + milliseconds{1000}), last);
  // How far apart two are does not tell how many were made in between.
  std::set<std::int64_t> steps;
  const auto number_of = [](const domain::FileId& id) {
    std::int64_t out = 0;
    for (std::size_t i = 5; i < id.size(); ++i) out = out << 8 | id[i];
    return out;
  };
  for (int i = 0; i < 100; ++i) {
    const auto first = number_of(ids.next(now));
    steps.insert(number_of(ids.next(now)) - first);
  }
  EXPECT_GT(steps.size(), 90U);
  const auto backwards = ids.next(now - milliseconds{1});
  EXPECT_TRUE(seen.insert(backwards).second);
  EXPECT_NE(ingest::FileIds{}.next(now), ingest::FileIds{}.next(now));
}

TEST(Answers, SayTheState) {
  const domain::StreamId stream{.client = domain::ClientKrn{"krn:a"}, .filename = domain::Filename{"f"}};
  auto progress = std::make_shared<domain::Progress>();
  progress->owner = domain::Email{"ann@example.com"};
  progress->counts = {.done = 1, .warn = 2, .failed = 3};
  progress->errors.add(domain::ItemList{{{.line = 1, .message = "m"}, {.line = 2, .message = "n"}}});
  EXPECT_EQ(
      answer_of(ingest::Applied{ingest::ShownState{*progress}, true}, stream, {.minimal = false, .items_max = 1}).body,
      R"({"result":"created","clientKrn":"krn:a","filename":"f","counts":{"done":1,"warn":2,"failed":3},)"
      R"("total":null,"isCompleted":false,"errors":[{"line":1,"message":"m"}],"warnings":[]})");
  const auto minimal = answer_of(ingest::Replayed{progress}, stream, {.minimal = true});
  EXPECT_EQ(minimal.body,
            R"({"result":"updated","clientKrn":"krn:a","filename":"f","counts":{"done":1,"warn":2,"failed":3},)"
            R"("total":null,"isCompleted":false})");
  EXPECT_EQ(minimal.headers, "Preference-Applied: return=minimal\r\nIdempotent-Replayed: true\r\n");
  EXPECT_EQ(answer_of(ingest::Replayed{std::make_shared<domain::Progress>()}, stream, {}).status, 404)
      << "of a file that was deleted since";
  EXPECT_EQ(answer_of(ingest::Refused{domain::Rejection::key_reused}, stream, {}).status, 422);
  const auto later = answer_of(ingest::Retry{.maybe_applied = true}, stream, {});
  EXPECT_EQ(later.status, 503);
  EXPECT_EQ(later.headers, "Retry-After: 1\r\n");
  EXPECT_NE(later.body.find("may still be applied"), later.body.npos);
}

http::Task<void> wait_for(LoopSink& sink, LoopSink::Ticket ticket, int& settled) {
  const auto outcome = co_await sink.wait(ticket);
  if (std::holds_alternative<ingest::Retry>(outcome)) ++settled;
}

TEST(LoopSink, ResumesEveryWaiterOfABatch) {
  boost::asio::io_context context{1};
  LoopSink sink{context.get_executor()};
  int settled = 0;
  std::vector<ingest::Settlement> batch;
  for (int i = 0; i < 100; ++i) {
    const auto ticket = sink.take_ticket();
    boost::asio::co_spawn(context, wait_for(sink, ticket, settled), boost::asio::detached);
    batch.push_back({.ticket = ticket, .outcome = ingest::Retry{}});
  }
  sink.give_back(sink.take_ticket());
  EXPECT_EQ(sink.waiting(), 100U);
  context.poll();  // all wait now
  context.restart();
  std::thread{[&] { sink.settle(std::move(batch)); }}.join();
  EXPECT_EQ(context.run_one(), 1U);
  EXPECT_EQ(settled, 100);
  EXPECT_EQ(sink.waiting(), 0U);
}

TEST(LoopSink, WaitersCanBeLeftBehind) {
  boost::asio::io_context context{1};
  LoopSink sink{context.get_executor()};
  int settled = 0;
  boost::asio::co_spawn(context, wait_for(sink, sink.take_ticket(), settled), boost::asio::detached);
  context.poll();
  EXPECT_EQ(settled, 0);
}

}  // namespace
}  // namespace pebbles::rest
