#include "http/server.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "http/exchange.hpp"
#include "http/worker_pool.hpp"
#include "unit/http/client.hpp"

namespace pebbles::http {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using testing::body_of;
using testing::Client;
using testing::status_of;

constexpr std::size_t body_bytes_max = 1000;

/// Answers with the body it got, the header X and the query parameter q.
Task<Response> echo(Exchange& exchange) {
  if (exchange.header("Authorization") == "no") co_return problem(401, "no");
  const auto body = co_await exchange.read_body(body_bytes_max);
  if (!body) co_return body.error();
  Response out{.status = 200, .content_type = text_type, .headers = {}, .body = {}};
  out.body = std::string{exchange.header("X")} + "|" + std::string{*body} + "|" + std::string{exchange.capture(0)};
  if (const auto* q = exchange.parameter("q")) out.body += "|" + *q;
  co_return out;
}

Task<Response> throws(Exchange&) {
  throw std::runtime_error{"secret"};
  co_return Response{};
}

Task<Response> large(Exchange&) {
  co_return Response{.status = 200, .content_type = text_type, .headers = {}, .body = std::string(50'000'000, 'x')};
}

class ServerTest : public ::testing::Test {
 protected:
  Task<Response> slow(Exchange&) {
    auto work = [] {
      std::this_thread::sleep_for(200ms);
      return Response{.status = 200, .content_type = text_type, .headers = {}, .body = "slow"};
    };
    std::string nobody;
    auto response = co_await run_on(pool, std::move(nobody), std::move(work));
    co_return response ? *std::move(response) : try_later("full");
  }

  void start(ServerOptions options = {}) {
    options.deadlines.tick = 20ms;
    auto started = Server::start(options, [this](Loop& loop) {
      loop.router().add("POST", "/echo/{}", echo);
      loop.router().add("GET", "/echo/{}", echo);
      loop.router().add("GET", "/throws", throws);
      loop.router().add("GET", "/large", large);
      loop.router().add("GET", "/slow", [this](Exchange& exchange) { return slow(exchange); });
    });
    ASSERT_TRUE(started) << started.error().detail;
    server = *std::move(started);
  }
  void TearDown() override {
    if (server) server->stop(100ms);
    pool.stop();
    server.reset();
  }
  /// What the server says to these bytes before it closes.
  std::string say(std::string_view bytes, bool finish = true) {
    Client client{server->port()};
    client.send(bytes);
    if (finish) client.finish_sending();
    return client.read_to_end();
  }

  std::unique_ptr<Server> server;
  WorkerPool pool{{.threads = 2, .queue_max = 8}};
};

TEST_F(ServerTest, KeepsAConnectionAlive) {
  start();
  Client client{server->port()};
  for (int i = 0; i < 3; ++i) {
    client.send("POST /echo/a%2Fb?q=1+2%2B HTTP/1.1\r\nHost: h\r\nx: y\r\nContent-Length: 2\r\n\r\nhi");
    const auto answer = client.read_answer();
    EXPECT_EQ(status_of(answer), 200);
    EXPECT_EQ(body_of(answer), "y|hi|a/b|1 2+");
    EXPECT_NE(answer.find("\r\nDate: "), answer.npos);
    EXPECT_EQ(answer.find("Connection:"), answer.npos);
  }
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrderAndStopsAtABadOne) {
  start();
  const auto said =
      say("POST /echo/1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na"
          "POST /echo/2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
          "GET /none HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyz"
          "BAD\r\n\r\n"
          "GET /echo/3 HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto one = said.find("|a|1");
  const auto two = said.find("|abc|2");
  const auto three = said.find("404 Not Found");
  const auto four = said.find("400 Bad Request");
  EXPECT_TRUE(one < two && two < three && three < four && four != said.npos) << said;
  EXPECT_EQ(said.find("|3"), said.npos);
}

TEST_F(ServerTest, TakesBytesOneByOne) {
  start();
  Client client{server->port()};
  const std::string_view request =
      "\r\nPOST /echo/k HTTP/1.1\r\nHost: h\r\nX: v\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2;a=b\r\nhi\r\n0\r\nX: trailer\r\n\r\nPOST /echo/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
      "chunked\r\n\r\n0\r\n\r\n";
  for (const char c : request) {
    client.send({&c, 1});
    std::this_thread::sleep_for(100us);
  }
  EXPECT_EQ(body_of(client.read_answer()), "v|hi|k");
  EXPECT_EQ(body_of(client.read_answer()), "||k");
}

TEST_F(ServerTest, RefusesWhatCouldBeReadInTwoWays) {
  start();
  const std::string start_line = "POST /echo/1 HTTP/1.1\r\n";
  const std::string tail = "\r\n0\r\n\r\nGET /echo/smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
  for (const std::string fields : {
           "Host: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
           "Host: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
           "Host: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
           "Host: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
           "Host: h\r\nContent-Length: 5, 5\r\n",
           "Host: h\r\nContent-Length: +5\r\n",
           "Host: h\r\nContent-Length: -1\r\n",
           "Host: h\r\nContent-Length:\r\n",
           "Host: h\r\nContent-Length: 18446744073709551616\r\n",
           "Host: h\r\nTransfer-Encoding: chunked, gzip\r\n",
           "Host: h\r\nTransfer-Encoding: gzip;q=1\r\n",
           "Host: h\r\nTransfer-Encoding: gzip,,chunked\r\n",
           "Host: h\r\nTransfer-Encoding: chunked, chunked\r\n",
           "Host: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Host: h\r\nTransfer-Encoding: gzip\r\nContent-Length: 5\r\n",
           "Host: h\r\nTransfer-Encoding:\r\n",
           "",
           "Host: a\r\nHost: b\r\n",
           "Host: h\r\nX: a\r\n b\r\n",
           "Host: h\r\nX:\r\n b\r\n",
           "Host: h\r\nX: \r\n\t\r\n",
           "Host:\r\n h\r\n",
           "Host: h\r\nContent-Length:\r\n 5\r\n",
           "Host: h\r\nTransfer-Encoding:\r\n\tchunked\r\n",
           "Host: h\r\nX : a\r\n",
           "Host: h\r\nX Y: a\r\n",
           "Host: h\r\nX: a\nY: b\r\n",
           "Host: h\nX: a\r\n",
       }) {
    const auto said = say(start_line + fields + tail);
    EXPECT_EQ(status_of(said), 400) << fields << said;
    EXPECT_NE(said.find("Connection: close"), said.npos) << fields;
    EXPECT_EQ(said.find("smuggled"), said.npos) << fields;
    EXPECT_EQ(said.find("HTTP/1.1", 8), said.npos) << fields << said;
  }
  EXPECT_EQ(status_of(say("GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"sv)), 400);
  EXPECT_EQ(status_of(say("POST /echo/1 HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")), 400);
}

TEST_F(ServerTest, RefusesGarbageAtOnce) {
  start();
  for (const std::string_view bytes : {"hello\r\n", "GET /\r\n", "GET / HTTP/1.1\nHost: h\n\n", "GET / XTTP/1.1\r\n",
                                       "\x16\x03\x01\x02\r\n", "GET / HTTP/1.1\r\nHo\nst"})
    EXPECT_EQ(status_of(say(bytes, false)), 400) << bytes;
  EXPECT_EQ(status_of(say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")), 505);
  EXPECT_EQ(status_of(say("GET / HTTP/3.0\r\nHost: h\r\n\r\n")), 505);
  for (const std::string method : {"TRACE", "QUERY"})
    EXPECT_EQ(status_of(say(method + " /echo/1 HTTP/1.1\r\nHost: h\r\n\r\n")), 405);
  EXPECT_EQ(status_of(say("BREW /echo/1 HTTP/1.1\r\nHost: h\r\n\r\n")), 501);
  EXPECT_EQ(status_of(say("CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n")), 501);
}

TEST_F(ServerTest, BoundsHeadsAndTargets) {
  start();
  const std::string head = "GET /echo/1 HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(status_of(say(head + "X: " + std::string(20'000, 'x') + "\r\n\r\n")), 431);
  EXPECT_EQ(status_of(say(head + "X: " + std::string(100'000, 'x'), false)), 431);
  EXPECT_EQ(status_of(say("GET /" + std::string(9'000, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n")), 414);
  EXPECT_EQ(status_of(say("GET /" + std::string(90'000, 'x'), false)), 414);
  std::string many = head;
  for (int i = 0; i < 100; ++i) many += "A: b\r\n";
  EXPECT_EQ(status_of(say(many + "\r\n")), 431);
  EXPECT_EQ(status_of(say(head + "X: " + std::string(12'000, 'x') + "\r\n\r\n")), 200);
}

TEST_F(ServerTest, BoundsBodies) {
  start();
  const std::string head = "POST /echo/1 HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(status_of(say(head + "Content-Length: 1001\r\n\r\n", false)), 413);
  EXPECT_EQ(status_of(say(head + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n", false)), 413);
  std::string chunks;
  for (int i = 0; i < 101; ++i) chunks += "a\r\n0123456789\r\n";
  EXPECT_EQ(status_of(say(head + "Transfer-Encoding: chunked\r\n\r\n" + chunks, false)), 413);
  for (const std::string_view bad :
       {"x\r\n", "10000000000000000\r\n", "1 junk\r\na\r\n", "1;\na=b\r\na\r\n", "2\r\nabc\r\n"})
    EXPECT_EQ(status_of(say(head + "Transfer-Encoding: chunked\r\n\r\n" + std::string{bad} + "0\r\n\r\n")), 400) << bad;
  const std::string trailer = "Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + std::string(200'000, 'x');
  EXPECT_EQ(status_of(say(head + trailer, false)), 400);
  EXPECT_EQ(status_of(say(head + "Content-Length: 1000\r\n\r\n" + std::string(1000, 'b'))), 200);
}

TEST_F(ServerTest, SendsContinueOnlyForABodyThatItWants) {
  start();
  Client client{server->port()};
  const std::string head = "POST /echo/1 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n";
  client.send(head + "Content-Length: 2\r\n\r\n");
  EXPECT_EQ(status_of(client.read_answer()), 100);
  client.send("hi");
  EXPECT_EQ(body_of(client.read_answer()), "|hi|1");
  EXPECT_EQ(status_of(say(head + "Authorization: no\r\nContent-Length: 2\r\n\r\n", false)), 401);
  EXPECT_EQ(status_of(say(head + "Content-Length: 2000\r\n\r\n", false)), 413);
}

TEST_F(ServerTest, Routes) {
  start();
  EXPECT_EQ(status_of(say("GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n")), 404);
  const auto other = say("DELETE /echo/1 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_of(other), 405);
  EXPECT_NE(other.find("Allow: POST, GET, HEAD, OPTIONS\r\n"), other.npos);
  EXPECT_EQ(body_of(say("GET http://h:1/echo/1?q=2 HTTP/1.1\r\nHost: h\r\n\r\n")), "||1|2");
  for (const std::string target : {"/echo/%zz", "/echo/%a", "/echo/%00", "/echo/%ff", "/echo/1?q=%zz", "*", "echo"})
    EXPECT_EQ(status_of(say("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n")), 400) << target;
  for (const std::string target : {"//echo/1", "/echo//1", "/./echo/1", "/x/../echo/1", "/echo/1/"})
    EXPECT_EQ(status_of(say("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n")), 404) << target;
  Client client{server->port()};
  client.send("HEAD /echo/1 HTTP/1.1\r\nHost: h\r\n\r\nGET /echo/2 HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto head = client.read_answer(false);
  EXPECT_NE(head.find("Content-Length: 3\r\n"), head.npos);
  EXPECT_EQ(body_of(client.read_answer()), "||2");
}

TEST_F(ServerTest, AnExceptionIsABare500) {
  start();
  const auto said = say("GET /throws HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_of(said), 500);
  EXPECT_EQ(said.find("secret"), said.npos);
  EXPECT_EQ(status_of(say("GET /echo/1 HTTP/1.1\r\nHost: h\r\n\r\n")), 200);
}

TEST_F(ServerTest, SlowClientsAreCutOff) {
  ServerOptions options;
  options.deadlines = {.idle = 150ms, .head = 200ms, .body = 200ms, .write = 200ms, .linger = 200ms, .tick = 20ms};
  start(options);
  EXPECT_EQ(say("", false), "");
  EXPECT_EQ(status_of(say("GET /echo/1 HT", false)), 408);
  EXPECT_EQ(status_of(say("POST /echo/1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc", false)), 408);
  Client trickle{server->port()};
  for (int i = 0; i < 40; ++i) {
    trickle.send(i == 0 ? "GET /" : "x");
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(status_of(trickle.read_to_end()), 408);
  Client deaf{server->port()};
  deaf.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
  std::this_thread::sleep_for(700ms);
  EXPECT_LT(deaf.read_to_end().size(), 50'000'000U);
  // A handler may take longer than any of these.
  EXPECT_EQ(body_of(say("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n", false)).substr(0, 4), "slow");
  EXPECT_EQ(server->connections(), 0U);
}

TEST_F(ServerTest, SendsLargeAnswersWhole) {
  start();
  EXPECT_EQ(body_of(say("GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false)).size(), 50'000'000U);
}

TEST_F(ServerTest, CapsConnections) {
  ServerOptions options;
  options.connections_max = 2;
  start(options);
  Client a{server->port()};
  Client b{server->port()};
  a.send("GET /echo/1 HTTP/1.1\r\nHost: h\r\n\r\n");
  b.send("GET /echo/1 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_of(a.read_answer()), 200);
  EXPECT_EQ(status_of(b.read_answer()), 200);
  Client c{server->port()};
  EXPECT_EQ(c.read_to_end(), "");
}

TEST_F(ServerTest, ServesOnSeveralLoops) {
  ServerOptions options;
  options.threads = 3;
  start(options);
  for (int i = 0; i < 12; ++i)
    EXPECT_EQ(status_of(say("GET /slow HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false)), 200);
}

TEST_F(ServerTest, AFullPoolIsSaid) {
  start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(std::make_unique<Client>(server->port()));
    clients.back()->send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  int full = 0;
  for (auto& client : clients) full += status_of(client->read_answer()) == 503 ? 1 : 0;
  EXPECT_GE(full, 1);
  EXPECT_LE(full, 10);  // those that run and wait are fewer where none has begun when the last comes
}

TEST_F(ServerTest, ServesHttp10) {
  start();
  EXPECT_NE(say("GET /echo/1 HTTP/1.0\r\n\r\n", false).find("Connection: close"), std::string::npos);
  Client client{server->port()};
  client.send("GET /echo/1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_NE(client.read_answer().find("Connection: keep-alive"), std::string::npos);
}

TEST_F(ServerTest, StopsInTwoSteps) {
  start();
  Client idle{server->port()};
  Client busy{server->port()};
  idle.send("GET /echo/1 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_of(idle.read_answer()), 200);
  busy.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  server->announce_close();
  EXPECT_TRUE(server->stop(5s));
  EXPECT_EQ(idle.read_to_end(), "");
  const auto last = busy.read_to_end();
  EXPECT_EQ(status_of(last), 200);
  EXPECT_NE(last.find("Connection: close"), last.npos);
  EXPECT_FALSE(Client{server->port()}.connected());
}

TEST_F(ServerTest, StopsAtTheDeadline) {
  start();
  Client busy{server->port()};
  busy.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  EXPECT_FALSE(server->stop(10ms));
}

TEST_F(ServerTest, SaysWhyItCannotListen) {
  start();
  ServerOptions options;
  options.port = server->port();
  const auto second = Server::start(options, [](Loop&) {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().detail.find("Address already in use"), std::string::npos);
}

}  // namespace
}  // namespace pebbles::http
