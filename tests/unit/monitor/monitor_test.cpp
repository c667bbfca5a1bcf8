#include "egress/monitor/monitor.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "http/server.hpp"
#include "unit/http/client.hpp"

namespace pebbles::monitor {
namespace {

using std::chrono_literals::operator""s;
using http::testing::body_of;
using http::testing::status_of;

class MonitorTest : public ::testing::Test {
 protected:
  MonitorTest() {
    const MonitorParts parts{
        .trouble = [this] { return ready ? std::nullopt : std::optional<std::string>{"Shutting down"}; },
        .impairment = [this] { return whole ? std::nullopt : std::optional<std::string>{"The store refuses commits"}; },
        .describe = [] { return R"("version":"1","parts":{"kafka":{"state":"assigned"}})"; },
        .metrics = [] { return "pebbles_x 1\n"; },
        .pool = pool};
    server = *http::Server::start({}, [&](http::Loop& loop) {
      add_health_routes(loop, parts);
      add_metrics_route(loop, parts);
    });
  }
  ~MonitorTest() override {
    server->stop(1s);
    pool.stop();
  }
  std::string get(const std::string& target, const std::string& headers = "") const {
    return http::testing::get_from(server->port(), target, headers);
  }

  std::atomic<bool> ready = true;
  std::atomic<bool> whole = true;
  http::WorkerPool pool{{.threads = 1}};
  std::unique_ptr<http::Server> server;
};

TEST_F(MonitorTest, SaysThatAllIsWell) {
  for (const std::string path : {"/health", "/readyz", "/livez"}) EXPECT_EQ(body_of(get(path)), "OK");
  const std::string details = R"({"status":"ok","version":"1","parts":{"kafka":{"state":"assigned"}}})";
  for (const std::string path : {"/health", "/readyz"}) {
    EXPECT_EQ(body_of(get(path + "?verbose")), details);
    EXPECT_EQ(body_of(get(path, "Accept: text/html, application/json;q=0.9\r\n")), details);
    EXPECT_EQ(body_of(get(path, "Accept: */*\r\n")), "OK");
  }
  EXPECT_EQ(body_of(get("/metrics")), "pebbles_x 1\n");
}

TEST_F(MonitorTest, WhatServesButAPartIsReadyAndNotHealthy) {
  whole = false;
  EXPECT_EQ(body_of(get("/readyz")), "OK");
  EXPECT_EQ(status_of(get("/health")), 503);
  EXPECT_NE(get("/health?verbose").find(R"("detail":"The store refuses commits")"), std::string::npos);
}

TEST_F(MonitorTest, WhatIsNotReadyIsAliveYet) {
  ready = false;
  for (const std::string path : {"/health", "/readyz"}) {
    EXPECT_EQ(status_of(get(path)), 503);
    EXPECT_NE(get(path).find("Retry-After: "), std::string::npos);
    const auto details = get(path + "?verbose");
    EXPECT_EQ(status_of(details), 503);
    EXPECT_NE(details.find(R"("detail":"Shutting down")"), std::string::npos);
    EXPECT_NE(details.find(R"("parts":{"kafka":{"state":"assigned"}})"), std::string::npos);
  }
  EXPECT_EQ(body_of(get("/livez")), "OK");
}

}  // namespace
}  // namespace pebbles::monitor
