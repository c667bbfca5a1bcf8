#include "net/http_client.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "net/url.hpp"

namespace pebbles::net {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// Takes connections on loopback and never says anything.
class SilentServer {
 public:
  SilentServer() : socket_{::socket(AF_INET, SOCK_STREAM, 0)} {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    auto* address = reinterpret_cast<sockaddr*>(&address_);
    EXPECT_EQ(::bind(socket_, address, size), 0);
    EXPECT_EQ(::listen(socket_, 10), 0);
    EXPECT_EQ(::getsockname(socket_, address, &size), 0);
  }
  ~SilentServer() { ::close(socket_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;

  [[nodiscard]] Request request() const {
    // Both time-outs are long, or libcurl would wake for one of them and see the stop by chance.
    return {.url = "http://127.0.0.1:" + std::to_string(ntohs(address_.sin_port)),
            .proxied = false,
            .connect_timeout = 60s,
            .timeout = 60s};
  }

 private:
  int socket_;
  sockaddr_in address_{};
};

TEST(HttpClient, AStopEndsTheWaitForAnAnswer) {
  const SilentServer server;
  HttpClient client;
  std::stop_source stop;
  std::jthread stopping{[&] {
    std::this_thread::sleep_for(500ms);  // past libcurl's timers for connecting, of 200 ms
    stop.request_stop();
  }};
  const auto begun = Clock::now();
  const auto answer = client.perform(server.request(), stop.get_token());
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().cancelled);
  EXPECT_LT(Clock::now() - begun, 10s) << "of the 60 that it would have waited";
}

TEST(HttpClient, AfterAStopNothingIsAskedAndWithoutOneTheClientIsAsGoodAsNew) {
  const SilentServer server;
  HttpClient client;
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(client.perform(server.request(), stop.get_token()).error().cancelled);
  auto request = server.request();
  request.timeout = 100ms;
  const auto answer = client.perform(request, {});
  ASSERT_FALSE(answer);
  EXPECT_FALSE(answer.error().cancelled);
  EXPECT_NE(answer.error().why.find("timed out"), std::string::npos) << answer.error().why;
}

TEST(HttpClient, OtherProtocolsAreRefused) {
  HttpClient client;
  for (const auto* url : {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "", "http://"})
    EXPECT_FALSE(client.perform({.url = url, .proxied = false})) << url;
}

TEST(HttpClient, AHeaderOfAnAnswerIsFoundInAnyCase) {
  const Response response{
      .headers = {{.name = "X-Amzn-Query-Error", .value = "a"}, {.name = "x-amzn-query-error", .value = "b"}}};
  EXPECT_EQ(response.header("x-amzn-query-error"), "a");
  EXPECT_EQ(response.header("x-amzn"), "");
}

TEST(Url, ItsOriginIsWhereARequestWouldGo) {
  const auto origin = origin_of("HTTP://user:word@[::1]:80/a?b");
  ASSERT_TRUE(origin);
  EXPECT_EQ(origin->scheme, "http");
  EXPECT_EQ(origin->host, "[::1]");
  for (const auto* good : {"http://a", "https://a.b:1/c?d"}) EXPECT_TRUE(is_http_url(good)) << good;
  for (const auto* bad : {"", "a", "ftp://a", "http://", "file:///a", "http://a:b"})
    EXPECT_FALSE(is_http_url(bad)) << bad;
}

}  // namespace
}  // namespace pebbles::net
