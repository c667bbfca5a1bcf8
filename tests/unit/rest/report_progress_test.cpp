#include "unit/rest/rest_fixture.hpp"

namespace pebbles::rest {
namespace {

using ReportProgressTest = RestTest;

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
  mood.broken = true;
  const auto said = post_as("a@b.c", update());
  EXPECT_EQ(status_of(said), 503);
  EXPECT_NE(said.find("Retry-After: 1\r\n"), said.npos);
  ingest->stop(1s);
  EXPECT_EQ(status_of(post_as("a@b.c", update())), 503);
}

}  // namespace
}  // namespace pebbles::rest
