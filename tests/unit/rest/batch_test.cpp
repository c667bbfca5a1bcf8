#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <thread>

#include "ingress/rest/batch_answer.hpp"
#include "ingress/rest/batch_sink.hpp"
#include "ingress/rest/request_headers.hpp"

namespace pebbles::rest {
namespace {

TEST(Accept, OnlyNdjson) {
  for (const auto* yes : {"application/x-ndjson", "text/plain, Application/X-NDJSON;q=0.5"})
    EXPECT_TRUE(takes_only_ndjson(yes)) << yes;
  for (const auto* no : {"", "*/*", "application/json", "application/x-ndjson, application/json;q=0.1",
                         "application/x-ndjson, */*;q=0.1", "application/*, application/x-ndjson"})
    EXPECT_FALSE(takes_only_ndjson(no)) << no;
}

class BatchAnswer : public ::testing::Test {
 protected:
  BatchAnswer() {
    auto progress = std::make_shared<domain::Progress>();
    progress->owner = domain::Email{"ann@example.com"};
    progress->counts = {.done = 1, .warn = 2, .failed = 3};
    progress->errors.add(domain::ItemList{{{.line = 1, .message = "m"}}});
    add(ingest::Applied{ingest::ShownState{*progress}, true});
    add(ingest::Replayed{progress});
    add(ingest::Refused{domain::Rejection::not_the_owner});
    add(ingest::Retry{.maybe_applied = true});
    entries.push_back({.filename = {}, .result = NotTaken{}});
    entries.push_back({.filename = {}, .result = admission::TooLarge{}});
    entries.push_back({.filename = {}, .result = admission::Faults{{.detail = "x is bad", .pointer = "/x"}}});
  }
  void add(ingest::Outcome outcome) { entries.push_back({.filename = "f", .result = std::move(outcome)}); }

  const domain::ClientKrn client{"krn:a"};
  std::vector<BatchEntry> entries;
  static constexpr std::string_view refusals =
      R"({"title":"Forbidden","status":403,"detail":"Only the original creator can update this file's progress",)"
      R"("error":"Only the original creator can update this file's progress"},)"
      R"({"title":"Service Unavailable","status":503,"detail":"The update may still be applied: retry it with the same key",)"
      R"("error":"The update may still be applied: retry it with the same key","retryAfter":1},)"
      R"({"title":"Service Unavailable","status":503,"detail":"Too many updates at once; this one was not applied: retry it",)"
      R"("error":"Too many updates at once; this one was not applied: retry it","retryAfter":1},)"
      R"({"title":"Content Too Large","status":413,"detail":"The update is too large: it must have at most 1048576 bytes",)"
      R"("error":"The update is too large: it must have at most 1048576 bytes"},)"
      R"({"title":"Bad Request","status":400,"detail":"Invalid parameters: x is bad",)"
      R"("error":"Invalid parameters: x is bad","errors":[{"detail":"x is bad","pointer":"/x"}]})";
};

TEST_F(BatchAnswer, TellsOfEachUpdateInOrder) {
  const auto said = answer_of(entries, client, {.update = {.minimal = false, .items_max = 100}});
  const std::string state = R"("clientKrn":"krn:a","filename":"f","counts":{"done":1,"warn":2,"failed":3},)"
                            R"("total":null,"isCompleted":false,"errors":[{"line":1,"message":"m"}],"warnings":[])";
  EXPECT_EQ(said.body, R"({"succeeded":2,"failed":5,"results":[{"status":200,"result":"created",)" + state +
                           R"(},{"status":200,"result":"updated",)" + state + R"(,"replayed":true},)" +
                           std::string{refusals} + "]}");
  EXPECT_EQ(said.content_type, "application/json");
  EXPECT_EQ(said.headers, "");
}

TEST_F(BatchAnswer, MinimalHasNoStates) {
  const auto said = answer_of(entries, client, {.update = {.minimal = true}});
  EXPECT_EQ(said.body, R"({"succeeded":2,"failed":5,"results":[{"status":200,"result":"created"},)"
                       R"({"status":200,"result":"updated","replayed":true},)" +
                           std::string{refusals} + "]}");
  EXPECT_EQ(said.headers, "Preference-Applied: return=minimal\r\n");
}

TEST_F(BatchAnswer, ALineEach) {
  entries.resize(2);
  const auto said = answer_of(entries, client, {.update = {.minimal = true}, .lines = true});
  EXPECT_EQ(said.body,
            "{\"status\":200,\"result\":\"created\"}\n{\"status\":200,\"result\":\"updated\",\"replayed\":true}\n");
  EXPECT_EQ(said.content_type, "application/x-ndjson");
}

TEST_F(BatchAnswer, StatesEndWhereTheAnswerWouldGetTooLong) {
  entries = {entries[0], entries[0], entries[0]};
  const auto said = answer_of(entries, client, {.update = {}, .states_bytes_max = 100});
  EXPECT_TRUE(said.body.ends_with(R"(,{"status":200,"result":"created"},{"status":200,"result":"created"}]})"))
      << said.body;
  EXPECT_NE(said.body.find(R"("errors":[{"line":1)"), said.body.npos);
}

TEST_F(BatchAnswer, NothingOfNothing) {
  EXPECT_EQ(answer_of({}, client, {}).body, R"({"succeeded":0,"failed":0,"results":[]})");
}

http::Task<void> wait_for(BatchSink& sink, BatchSink::Batch batch, std::size_t settled, int& resumed) {
  co_await sink.wait(batch, settled);
  ++resumed;
}

class BatchSinkTest : public ::testing::Test {
 protected:
  void settle(BatchSink::Batch batch, std::vector<std::size_t> updates) {
    std::vector<ingest::Settlement> all;
    for (const auto update : updates)
      all.push_back({.ticket = sink.ack(batch, update).release(), .outcome = ingest::Retry{}});
    std::thread{[&] { sink.settle(std::move(all)); }}.join();
    context.restart();
    context.poll();
  }
  void wait(BatchSink::Batch batch, std::size_t settled) {
    boost::asio::co_spawn(context, wait_for(sink, batch, settled, resumed), boost::asio::detached);
    context.restart();
    context.poll();
  }

  boost::asio::io_context context{1};
  BatchSink sink{context.get_executor()};
  int resumed = 0;
};

TEST_F(BatchSinkTest, ResumesOnceAllAreThere) {
  const auto batch = sink.open(3);
  const auto other = sink.open(2);
  wait(batch, 3);
  settle(batch, {2, 0});
  settle(other, {0, 1});
  EXPECT_EQ(resumed, 0);
  wait(other, 2);  // they came before anybody waited
  EXPECT_EQ(resumed, 1);
  settle(batch, {1});
  EXPECT_EQ(resumed, 2);
  for (const auto& outcome : sink.close(batch)) EXPECT_TRUE(outcome);
  EXPECT_EQ(sink.open(1), batch);
}

TEST_F(BatchSinkTest, WaitsForSomeAndThenForMore) {
  const auto batch = sink.open(3);
  wait(batch, 1);
  settle(batch, {0});
  EXPECT_EQ(resumed, 1);
  wait(batch, 2);
  EXPECT_EQ(resumed, 1);
  settle(batch, {1});
  EXPECT_EQ(resumed, 2);
  const auto outcomes = sink.close(batch);
  EXPECT_TRUE(outcomes[1]);
  EXPECT_FALSE(outcomes[2]);
}

TEST_F(BatchSinkTest, AnUpdateThatFallsIsSettled) {
  const auto batch = sink.open(1);
  wait(batch, 1);
  {
    const auto falls = sink.ack(batch, 0);
  }
  context.restart();
  context.poll();
  EXPECT_EQ(resumed, 1);
}

}  // namespace
}  // namespace pebbles::rest
