#include <gtest/gtest.h>
#include <zlib.h>

#include <atomic>
#include <thread>

#include "http/exchange.hpp"
#include "http/server.hpp"
#include "http/streamed_body.hpp"
#include "http/worker_pool.hpp"
#include "unit/http/client.hpp"

namespace pebbles::http {
namespace {

using namespace std::chrono_literals;
using testing::body_of;
using testing::Client;
using testing::status_of;

/// What a source did, which outlives it.
struct Seen {
  std::atomic<int> pieces{0};
  std::atomic<int> alive{0};
  std::atomic<int> at_once{0};
};

enum class Ending : std::uint8_t { whole, error, exception };

/// Pieces of letters: "aaa…", "bbb…", with empty ones between them.
class Letters final : public BodySource {
 public:
  Letters(Seen& seen, int pieces, std::size_t bytes, Ending ending)
      : seen_{seen}, pieces_{pieces}, bytes_{bytes}, ending_{ending} {
    ++seen_.alive;
  }
  ~Letters() override { --seen_.alive; }
  Letters(const Letters&) = delete;
  Letters& operator=(const Letters&) = delete;

  Result<bool> next(std::string& out) override {
    if ((is_empty_ = !is_empty_)) return true;
    out.append(bytes_, static_cast<char>('a' + made_ % 26));
    ++seen_.pieces;
    if (++made_ < pieces_) return true;
    if (ending_ == Ending::error) return failure(Errc::store_unavailable, "gone");
    if (ending_ == Ending::exception) throw std::runtime_error{"secret"};
    return false;
  }

 private:
  Seen& seen_;
  const int pieces_;
  const std::size_t bytes_;
  const Ending ending_;
  int made_ = 0;
  bool is_empty_ = false;
};

std::string letters(int pieces, std::size_t bytes) {
  std::string out;
  for (int i = 0; i < pieces; ++i) out.append(bytes, static_cast<char>('a' + i % 26));
  return out;
}

/// The body of a chunked answer; "BROKEN" when its last chunk is missing.
std::string unchunked(const std::string& answer) {
  auto rest = body_of(answer);
  std::string out;
  for (;;) {
    const auto line = rest.find("\r\n");
    if (line == rest.npos) return "BROKEN";
    const auto size = std::stoul(rest.substr(0, line), nullptr, 16);
    if (rest.size() < line + 4 + size) return "BROKEN";
    if (size == 0) return rest.substr(line) == "\r\n\r\n" ? out : "BROKEN";
    out += rest.substr(line + 2, size);
    rest.erase(0, line + 4 + size);
  }
}

std::string gunzip(const std::string& bytes) {
  z_stream stream{};
  inflateInit2(&stream, 15 + 16);
  std::string out(64UL << 20U, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int code = inflate(&stream, Z_FINISH);
  out.resize(code == Z_STREAM_END && stream.avail_in == 0 ? stream.total_out : 0);
  inflateEnd(&stream);
  return out;
}

class StreamedAnswerTest : public ::testing::Test {
 protected:
  Task<Response> stream(Loop& loop, Exchange& exchange) {
    const auto* const pieces = exchange.parameter("pieces");
    const auto* const bytes = exchange.parameter("bytes");
    const auto* const end = exchange.parameter("end");
    auto permit = loop.streams().take(
        {.requester = std::string{exchange.header("X-Requester")}, .tenant = std::string{exchange.header("X-Client")}});
    if (!permit) co_return try_later("Too many");
    const auto ending = end == nullptr ? Ending::whole : *end == "error" ? Ending::error : Ending::exception;
    Response out{.status = 200, .content_type = text_type, .headers = {}, .body = {}};
    auto source = std::make_unique<Letters>(seen, std::stoi(*pieces), std::stoul(*bytes), ending);
    out.stream = std::make_shared<StreamedBody>(StreamedBody{
        .source = std::move(source), .pool = pool, .asker = {.requester = "a"}, .permit = std::move(permit)});
    co_return out;
  }

  void start(ServerOptions options = {}) {
    options.deadlines.tick = 20ms;
    auto started = Server::start(options, [this](Loop& loop) {
      loop.router().add("GET", "/letters", [this, &loop](Exchange& exchange) { return stream(loop, exchange); });
      loop.router().add("GET", "/small", [](Exchange&) -> Task<Response> {
        co_return Response{.status = 200, .content_type = text_type, .headers = {}, .body = "small"};
      });
    });
    ASSERT_TRUE(started) << started.error().detail;
    server = *std::move(started);
  }
  void TearDown() override {
    if (server) server->stop(100ms);
    pool.stop();
    server.reset();
    EXPECT_EQ(seen.alive, 0);
  }
  std::string get(const std::string& query, const std::string& headers = "") {
    return testing::get_from(server->port(), "/letters?" + query, headers);
  }
  void wait_until_none_is_alive() {
    for (int i = 0; i < 1000 && seen.alive > 0; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(seen.alive, 0);
  }

  Seen seen;
  std::unique_ptr<Server> server;
  WorkerPool pool{{.threads = 2, .queue_max = 8}};
};

TEST_F(StreamedAnswerTest, ArrivesInChunksAndTheConnectionGoesOn) {
  start();
  const auto answer = get("pieces=30&bytes=5000");
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_NE(answer.find("\r\nTransfer-Encoding: chunked\r\n"), answer.npos);
  EXPECT_EQ(answer.find("Content-Length"), answer.npos);
  EXPECT_EQ(unchunked(answer), letters(30, 5000));

  Client client{server->port()};
  client.send(
      "GET /letters?pieces=3&bytes=20000 HTTP/1.1\r\nHost: h\r\n\r\n"
      "GET /small HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const auto both = client.read_to_end();
  const auto second = both.find("HTTP/1.1 200 OK", 1);
  ASSERT_NE(second, both.npos);
  EXPECT_EQ(unchunked(both.substr(0, second)), letters(3, 20000));
  EXPECT_EQ(body_of(both.substr(second)), "small");
}

TEST_F(StreamedAnswerTest, HttpOneZeroReadsToTheEnd) {
  start();
  Client client{server->port()};
  client.send("GET /letters?pieces=30&bytes=5000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const auto answer = client.read_to_end();
  EXPECT_EQ(answer.find("Transfer-Encoding"), answer.npos);
  EXPECT_NE(answer.find("\r\nConnection: close\r\n"), answer.npos);
  EXPECT_EQ(body_of(answer), letters(30, 5000));
}

TEST_F(StreamedAnswerTest, HeadMakesNoPiece) {
  start();
  Client client{server->port()};
  client.send("HEAD /letters?pieces=3&bytes=5 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const auto answer = client.read_to_end();
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_EQ(body_of(answer), "");
  EXPECT_EQ(seen.pieces, 0);
}

TEST_F(StreamedAnswerTest, CompressedForWhoAsks) {
  start();
  for (const auto* query : {"pieces=1&bytes=1", "pieces=40&bytes=100000", "pieces=1000&bytes=1"}) {
    const auto answer = get(query, "Accept-Encoding: gzip\r\n");
    EXPECT_NE(answer.find("\r\nContent-Encoding: gzip\r\n"), answer.npos);
    EXPECT_NE(answer.find("\r\nVary: Accept-Encoding\r\n"), answer.npos);
    EXPECT_EQ(gunzip(unchunked(answer)), unchunked(get(query)));
  }
}

TEST_F(StreamedAnswerTest, AFaultInTheMiddleIsSeen) {
  start();
  for (const auto* end : {"error", "exception"}) {
    for (const auto* encoding : {"", "Accept-Encoding: gzip\r\n"}) {
      const auto answer = get(std::string{"pieces=4&bytes=50000&end="} + end, encoding);
      EXPECT_EQ(status_of(answer), 200);
      EXPECT_EQ(unchunked(answer), "BROKEN");
      EXPECT_EQ(answer.find("secret"), answer.npos);
    }
    // Where the end of the connection is that of the body, it is reset.
    Client old{server->port()};
    old.send(std::string{"GET /letters?pieces=4&bytes=50000&end="} + end + " HTTP/1.0\r\n\r\n");
    old.read_to_end();
    EXPECT_TRUE(old.was_reset());
  }
}

TEST_F(StreamedAnswerTest, ASlowClientHoldsNoThreadAndNoMoreThanAPiece) {
  start();
  Client slow{server->port()};
  slow.send("GET /letters?pieces=2000&bytes=100000 HTTP/1.1\r\nHost: h\r\n\r\n");
  // Until the socket's buffers are full, no piece is made any more.
  int before = -1;
  while (before != seen.pieces) {
    before = seen.pieces;
    std::this_thread::sleep_for(200ms);
  }
  EXPECT_GT(before, 0);
  EXPECT_LT(before, 1000);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(unchunked(get("pieces=30&bytes=5000")), letters(30, 5000));
  EXPECT_EQ(seen.alive, 1);
}

TEST_F(StreamedAnswerTest, EndsWhenTheClientGoesAway) {
  start();
  {
    Client leaving{server->port()};
    leaving.send("GET /letters?pieces=1000000&bytes=1000 HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_TRUE(leaving.read_some(5000ms));
  }
  wait_until_none_is_alive();
  EXPECT_LT(seen.pieces, 1'000'000);
}

TEST_F(StreamedAnswerTest, EndsWhenTheClientDoesNotRead) {
  ServerOptions options;
  options.deadlines.stream = 200ms;
  start(options);
  Client slow{server->port()};
  slow.send("GET /letters?pieces=100000&bytes=100000 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(slow.read_some(5000ms));
  wait_until_none_is_alive();
}

TEST_F(StreamedAnswerTest, ARequesterHasHalfOfWhatIsFreeUnderWhateverNames) {
  ServerOptions options;
  options.streams = {.all = 7, .of_tenant = 2};
  start(options);
  std::vector<std::unique_ptr<Client>> slow;
  const auto begin = [&](const std::string& who) {
    slow.push_back(std::make_unique<Client>(server->port()));
    slow.back()->send("GET /letters?pieces=2000&bytes=100000 HTTP/1.1\r\nHost: h\r\n" + who + "\r\n");
    EXPECT_TRUE(slow.back()->read_some(5000ms));
  };
  const auto who = [](const std::string& requester, const std::string& client) {
    return "X-Requester: " + requester + "\r\nX-Client: " + client + "\r\n";
  };
  const auto status = [&](const std::string& of) { return status_of(get("pieces=1&bytes=1", of)); };
  begin(who("r", "a"));
  begin(who("r", "a"));
  EXPECT_EQ(status(who("r", "a")), 503) << "a tenant of one requester";
  begin(who("r", "b"));
  begin(who("r", "c"));
  EXPECT_EQ(status(who("r", "d")), 503) << "half of what is free";
  begin(who("s", "a"));
  begin(who("s", "a"));
  EXPECT_EQ(status(who("s", "b")), 503);
  EXPECT_EQ(status(who("t", "a")), 200);
  slow.clear();
  wait_until_none_is_alive();
  EXPECT_EQ(status(who("r", "a")), 200);
}

TEST_F(StreamedAnswerTest, AStopCutsItInTime) {
  start();
  Client slow{server->port()};
  slow.send("GET /letters?pieces=1000000&bytes=100000 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(slow.read_some(5000ms));
  EXPECT_TRUE(server->stop(4000ms)) << "it was ended, not left over";
  EXPECT_EQ(seen.alive, 0);
}

}  // namespace
}  // namespace pebbles::http
