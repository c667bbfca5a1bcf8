#include <future>
#include <thread>

#include "unit/rest/rest_fixture.hpp"

namespace pebbles::rest {
namespace {

using Use = http::FairBudget::Use;

class ReportBatchTest : public RestTest {
 protected:
  explicit ReportBatchTest(ingest::IngestOptions options = {}) : RestTest{options} {}

  std::string send(const std::string& body, const std::string& headers = "",
                   std::string_view type = "application/json") const {
    return post(token("a@b.c") + "Content-Type: " + std::string{type} + "\r\n" + headers, body, "krn:acme%3Aa",
                "/batch");
  }
  std::string minimal(const std::string& body, const std::string& headers = "") const {
    return body_of(send(body, "Prefer: return=minimal\r\n" + headers));
  }
  static std::string many(std::size_t updates) {
    std::string out = "[";
    for (std::size_t i = 0; i < updates; ++i) out += (i == 0 ? "" : ",") + update();
    return out + "]";
  }
  static std::size_t count(const std::string& text, std::string_view part) {
    std::size_t out = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++out;
    return out;
  }
};

TEST_F(ReportBatchTest, EachUpdateHasItsAnswer) {
  const auto said = send("[" + update() + ",{}," + update(R"(,"isLast":true)") + "," + update() + "]");
  EXPECT_EQ(status_of(said), 200);
  const auto body = body_of(said);
  EXPECT_TRUE(body.starts_with(R"({"succeeded":2,"failed":2,"results":[{"status":200,"result":"created","clientKrn":)"))
      << body;
  EXPECT_EQ(count(body, R"("done":1,)"), 1U);
  EXPECT_EQ(count(body, R"("done":2,)"), 1U);
  EXPECT_EQ(count(body, R"("pointer":"/filename")"), 1U);
  EXPECT_EQ(count(body, "has already been completed"), 2U);  // as detail and as error
}

TEST_F(ReportBatchTest, AHeaderGivesEveryUpdateAKey) {
  const std::string key = "Idempotency-Key: k\r\n";
  const std::string batch = "[" + update() + "," + update() + "," + update(R"(,"eventId":"own")") + "]";
  EXPECT_EQ(count(minimal(batch, key), "replayed"), 0U);
  EXPECT_EQ(count(minimal(batch, key), R"("replayed":true)"), 3U);
  for (const auto* single : {"k/0", "k/1", "own"})
    EXPECT_NE(
        post_as("a@b.c", update(), "Idempotency-Key: " + std::string{single} + "\r\n").find("Idempotent-Replayed"),
        std::string::npos)
        << single;
  for (const auto length : {251, 252, 256}) {
    const std::string long_key = "Idempotency-Key: " + std::string(static_cast<std::size_t>(length), 'k') + "\r\n";
    EXPECT_EQ(count(minimal(batch, long_key), "replayed"), 1U) << length;  // that of its own
    EXPECT_EQ(count(minimal(batch, long_key), "replayed"), 3U) << length;
  }
}

TEST_F(ReportBatchTest, WhatIsWrongWithTheWhole) {
  EXPECT_EQ(status_of(send("[")), 400);
  EXPECT_EQ(status_of(send("[]", "Idempotency-Key: \r\n")), 400);
  EXPECT_EQ(status_of(send("[]", "Idempotency-Key: a\r\nIdempotency-Key: a\r\n")), 400);
  EXPECT_EQ(status_of(send("[]", "", "text/plain")), 415);
  EXPECT_EQ(status_of(send("[]", "Content-Encoding: gzip\r\n")), 415);
  EXPECT_EQ(status_of(post("", "[]", "krn:acme%3Aa", "/batch")), 401);
  EXPECT_EQ(status_of(post(token("a@b.c"), "[]", "krn", "/batch")), 400);
  EXPECT_EQ(body_of(send("[]")), R"({"succeeded":0,"failed":0,"results":[]})");
  EXPECT_EQ(body_of(send("", "", "application/x-ndjson")), R"({"succeeded":0,"failed":0,"results":[]})");
}

TEST_F(ReportBatchTest, AFaultThatPassesIsA503OfEach) {
  mood.broken = true;
  const auto said = minimal(many(3));
  EXPECT_EQ(count(said, R"("retryAfter":1)"), 3U) << said;
  ingest->stop(1s);
  EXPECT_EQ(count(minimal(many(3)), "Too many updates at once"), 6U);  // as detail and as error
}

TEST_F(ReportBatchTest, BatchesInHandAreBounded) {
  std::vector<http::FairBudget::Share> others;
  for (int i = 0; i < 24; ++i) others.push_back(*bodies.take("o" + std::to_string(i), 1U << 20U, Use::body));
  const std::string large = many(1) + std::string(300'000, ' ');
  const auto said = send(large);
  EXPECT_EQ(status_of(said), 503);
  EXPECT_NE(said.find("Retry-After: 1\r\n"), said.npos);
  EXPECT_EQ(status_of(send(many(1))), 200) << "small ones need no room";
  others.clear();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(status_of(send(large)), 200);
  for (int i = 0; i < 100 && !bodies.is_unused(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds{10});
  EXPECT_TRUE(bodies.is_unused()) << "it gives everything back";
}

TEST_F(ReportBatchTest, WhoHoldsOnToBodiesLeavesRoomForOthers) {
  const auto share = bodies.take("a@b.c", 12U << 20U, Use::body);  // half of all
  const std::string body = many(1) + std::string(3U << 19U, ' ');
  const auto json = std::string{"Content-Type: application/json\r\n"};
  EXPECT_EQ(status_of(post(token("a@b.c") + json, body, "krn:acme%3Aa", "/batch")), 503);
  EXPECT_EQ(status_of(post(token("a@b.c") + json, body, "krn:invented", "/batch")), 503) << "by whatever name";
  EXPECT_EQ(status_of(post(token("b@b.c") + json, body, "krn:acme%3Ab", "/batch")), 200);
}

TEST_F(ReportBatchTest, ABodyThatGrowsBeyondTheBudgetIsRefused) {
  std::vector<http::FairBudget::Share> others;
  for (int i = 0; i < 23; ++i) others.push_back(*bodies.take("o" + std::to_string(i), 1U << 20U, Use::body));
  others.push_back(*bodies.take("a@b.c", (1U << 20U) - (80U << 10U), Use::body));
  Client to{server->port()};
  to.send("POST /clients/krn:a/progress/batch HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n" + token("a@b.c") +
          "Content-Type: application/x-ndjson\r\n\r\n20000\r\n" + std::string(0x20000, '\n') + "\r\n");
  EXPECT_EQ(status_of(to.read_to_end()), 503);
}

TEST_F(ReportBatchTest, ABatchThatWeighsMuchIsCountedInPortions) {
  std::string items = R"({"message":""})";
  for (int i = 1; i < 10'000; ++i) items += R"(,{"message":""})";
  std::string body = "[";
  for (int i = 0; i < 12; ++i)
    body += R"({"filename":"f","counts":{"done":1,"warn":0,"failed":0},"errors":[)" + items + R"(],"warnings":[)" +
            items + "]},";
  body.back() = ']';
  const auto said = body_of(send(body, "Prefer: return=minimal\r\nIdempotency-Key: k\r\n"));
  EXPECT_TRUE(said.starts_with(R"({"succeeded":12,"failed":0,)")) << said.substr(0, 300);
  EXPECT_GT(mood.commits, 2) << "not all of it at once";
  const auto again = body_of(send(body, "Prefer: return=minimal\r\nIdempotency-Key: k\r\n"));
  EXPECT_EQ(count(again, R"("replayed":true)"), 12U) << "keys count on over portions";
  EXPECT_EQ(status_of(send(body.substr(0, body.size() - 1) + ",nul]")), 400);
}

class FullLaneTest : public ReportBatchTest {
 protected:
  FullLaneTest() : ReportBatchTest{{.queue_updates_max = 10}} {}
};

TEST_F(FullLaneTest, ABatchThatIsLongerThanTheQueueGoesInByAndBy) {
  const auto body = body_of(send(many(200)));
  EXPECT_TRUE(body.starts_with(R"({"succeeded":200,"failed":0,)")) << body;
  for (const auto done : {1, 2, 100, 200})  // in order
    EXPECT_EQ(count(body, R"("done":)" + std::to_string(done) + ","), 1U);
}

TEST_F(FullLaneTest, WhatFindsNoRoomAtAllIsTold) {
  mood.stuck = true;
  const auto send_many = [this] { return minimal(many(20)); };
  auto first = std::async(std::launch::async, send_many);
  while (mood.commits == 0) std::this_thread::yield();  // of some of it: the lane takes no more now
  auto second = std::async(std::launch::async, send_many);
  while (ingest->queued() < 5) std::this_thread::yield();              // a client has half of what is free
  EXPECT_EQ(count(minimal(many(2)), "Too many updates at once"), 4U);  // as detail and as error
  mood.stuck = false;
  mood.stuck.notify_all();
  for (auto* batch : {&first, &second}) {
    const auto said = batch->get();
    EXPECT_EQ(count(said, R"("status":)"), 20U) << said;
    EXPECT_GE(count(said, R"("status":200)"), 5U) << said;  // the one may have found no room beside the other then
  }
}

}  // namespace
}  // namespace pebbles::rest
