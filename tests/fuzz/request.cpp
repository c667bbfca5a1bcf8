#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/assert.hpp"
#include "base/header_text.hpp"
#include "http/read_buffer.hpp"
#include "http/request_parser.hpp"

namespace {

using namespace pebbles;
using http::RequestParser;

// Small, so that inputs of a few hundred bytes get past each of them.
constexpr http::FramingLimits limits{.head_bytes_max = 512, .target_bytes_max = 96};
constexpr std::size_t body_bytes_max = 200;
constexpr std::string_view head_end = "\r\n\r\n";

struct Request {
  std::string head;
  std::string body;
  bool keep_alive = false;
  std::size_t end = 0;  ///< where the next one begins
  bool operator==(const Request&) const = default;
};

/// What came of a stream: the requests that were taken, and whether what followed was refused.
struct Served {
  std::vector<Request> requests;
  bool refused = false;
  bool operator==(const Served&) const = default;
};

/// How many bytes arrive together.
class Pieces {
 public:
  static Pieces whole() { return Pieces{0, true}; }
  explicit Pieces(std::uint8_t seed) : Pieces{seed, false} {}

  std::size_t next() {
    if (whole_) return SIZE_MAX;
    state_ = state_ * 1'103'515'245U + 12'345U;
    return 1 + (state_ >> 16U) % bytes_max_;
  }

 private:
  Pieces(std::uint8_t seed, bool whole) : state_{seed}, bytes_max_{1U << seed % 8U}, whole_{whole} {}

  std::uint32_t state_;
  std::uint32_t bytes_max_;
  bool whole_;
};

/// Frames a stream as http::Connection does: the same buffer, the same order of calls.
class Framing {
 public:
  Framing(std::string_view stream, Pieces pieces) : stream_{stream}, pieces_{pieces} {}

  Served run() {
    while (take_request()) {
    }
    return std::move(served_);
  }

 private:
  bool take_request() {
    RequestParser request;
    bool may_skip_line = true;
    http::Refusal refusal;
    while (!take_head(request, may_skip_line, refusal)) {
      if (refusal) return refuse(refusal.status);
      if (!receive()) return false;
    }
    const auto announced = request.content_length();
    if (announced && *announced > body_bytes_max) return refuse(413);
    std::string body;
    while (!request.is_done()) {
      if (!in_.empty()) in_.consume(request.parse_body(in_.data(), body, body_bytes_max, refusal));
      PEBBLES_ASSERT(body.size() <= body_bytes_max, "a body over the limit");
      if (refusal) return refuse(refusal.status);
      if (request.is_done()) break;
      if (in_.room().empty()) return refuse(400);
      if (!receive()) return false;
    }
    check_head(request);
    served_.requests.push_back({.head = received_head_,
                                .body = body,
                                .keep_alive = request.keep_alive(),
                                .end = received_ - in_.data().size()});
    return request.keep_alive();
  }

  bool take_head(RequestParser& request, bool& may_skip_line, http::Refusal& refusal) {
    if (may_skip_line && in_.data().starts_with("\r\n")) {
      in_.consume(2);
      may_skip_line = false;
    }
    const auto bytes = in_.data();
    if (bytes.empty()) return false;
    const auto end = bytes.substr(0, limits.head_bytes_max).find(head_end);
    if (end == bytes.npos) {
      refusal = RequestParser::judge_incomplete(bytes, limits);
      return false;
    }
    const auto head = bytes.substr(0, end + head_end.size());
    received_head_ = head;
    refusal = request.parse_head(in_.front(head.size()), limits);
    if (refusal) return false;
    head_ = head;
    request.move_head(head_.data());
    in_.consume(head.size());
    return true;
  }

  bool receive() {
    const auto room = in_.room();
    const auto count = std::min({room.size(), pieces_.next(), stream_.size() - received_});
    std::ranges::copy(stream_.substr(received_, count), room.begin());
    in_.commit(count);
    received_ += count;
    return count > 0;
  }

  bool refuse(int status) {
    PEBBLES_ASSERT(status >= 400 && status <= 505, "a refusal has a status");
    served_.refused = true;
    return false;
  }

  /// Reads the head once more, by the letter of RFC 9112, and compares.
  void check_head(const RequestParser& request) const {
    std::string_view rest = head_;
    const auto next_line = [&rest] {
      const auto end = rest.find("\r\n");
      const auto line = rest.substr(0, end);
      PEBBLES_ASSERT(line.find_first_of(std::string_view{"\r\n\0", 3}) == line.npos, "a line that ends twice");
      rest.remove_prefix(end + 2);
      return line;
    };
    const auto first = next_line();
    const auto version = request.http10() ? " HTTP/1.0" : " HTTP/1.1";
    PEBBLES_ASSERT(first == std::string{request.method()} + " " + std::string{request.target()} + version,
                   "the first line says something else");
    PEBBLES_ASSERT(request.target().size() <= limits.target_bytes_max, "a long target got through");
    PEBBLES_ASSERT(request.target().find(' ') == std::string_view::npos, "a target with a space");
    PEBBLES_ASSERT(request.method() != "TRACE" && request.method() != "CONNECT", "a method that isn't served");
    std::size_t fields = 0;
    for (auto line = next_line(); !line.empty(); line = next_line(), ++fields) {
      const auto colon = line.find(':');
      PEBBLES_ASSERT(colon != line.npos && colon > 0, "a line without a name");
      const auto name = line.substr(0, colon);
      PEBBLES_ASSERT(name.find_first_of(" \t\"(),/;<=>?@[\\]{}") == name.npos, "a name with a separator");
      if (request.count_of(name) == 1)
        PEBBLES_ASSERT(request.field(name) == trimmed(line.substr(colon + 1)), "a field has another value");
    }
    PEBBLES_ASSERT(fields <= http::fields_max && rest.empty(), "more than a head was taken for one");
    check_framing(request);
  }

  static void check_framing(const RequestParser& request) {
    for (const char c : request.field("Host"))
      PEBBLES_ASSERT(c > ' ' && c < 0x7f && std::string_view{"\"/<>?@\\^`{|}#"}.find(c) == std::string_view::npos,
                     "a Host that is none");
    const auto lengths = request.count_of("Content-Length");
    const auto encodings = request.count_of("Transfer-Encoding");
    PEBBLES_ASSERT(request.count_of("Host") == 1 || (request.http10() && request.count_of("Host") == 0),
                   "a request for two hosts, or none");
    PEBBLES_ASSERT(lengths + encodings <= 1, "a body that could end in two places");
    PEBBLES_ASSERT(request.chunked() == (encodings == 1) && !(encodings == 1 && request.http10()),
                   "a coding that isn't used");
    const auto length = request.field("Content-Length");
    PEBBLES_ASSERT(lengths == 0 || (!length.empty() && length.find_first_not_of("0123456789") == length.npos),
                   "a length that isn't a number");
  }

  std::string_view stream_;
  Pieces pieces_;
  http::ReadBuffer in_{2 * limits.head_bytes_max};
  std::string received_head_;  ///< before parsing, which changes the digit of a later version
  std::string head_;
  std::size_t received_ = 0;
  Served served_;
};

/// Whether a request's bytes end where RFC 9112 has them end, and its body is what stands between.
void check_body(const Request& request, std::string_view stream, std::size_t begin) {
  const auto taken = stream.substr(begin, request.end - begin);
  const auto head = taken.find(request.head);
  PEBBLES_ASSERT(head <= 2 && head != taken.npos, "a head from somewhere else");
  auto rest = taken.substr(head + request.head.size());
  const auto line = [&rest] {
    const auto end = rest.find("\r\n");
    PEBBLES_ASSERT(end != rest.npos, "a line of the body without an end");
    const auto out = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    return out;
  };
  std::string lower = request.head;
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  if (lower.find("\r\ntransfer-encoding:") == lower.npos) {
    PEBBLES_ASSERT(rest == request.body, "a body of other bytes");
    return;
  }
  std::string body;
  for (;;) {
    const std::string size{line()};
    const auto digits = std::min(size.find_first_not_of("0123456789abcdefABCDEF"), size.size());
    PEBBLES_ASSERT(digits > 0 && (digits == size.size() || std::string_view{"; \t"}.contains(size[digits])),
                   "a chunk's size with something in it");
    const auto count = std::stoull(size, nullptr, 16);
    if (count == 0) break;
    body += rest.substr(0, count);
    rest.remove_prefix(std::min<std::size_t>(count, rest.size()));
    PEBBLES_ASSERT(line().empty(), "a chunk longer than it said");
  }
  while (!line().empty()) {
  }
  PEBBLES_ASSERT(body == request.body && rest.empty(), "a chunked body that ends elsewhere");
}

}  // namespace

/// The first byte says in which pieces the others arrive at a connection. However they do, the same requests are taken,
/// none but by the strict rules, and the same stream is refused.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view stream{reinterpret_cast<const char*>(data) + 1, size - 1};
  const auto served = Framing{stream, Pieces::whole()}.run();
  PEBBLES_ASSERT((Framing{stream, Pieces{data[0]}}.run() == served), "other pieces, another result");
  PEBBLES_ASSERT((Framing{stream, Pieces{0}}.run() == served), "byte by byte, another result");
  std::size_t begin = 0;
  for (const auto& request : served.requests) {
    check_body(request, stream, begin);
    begin = request.end;
  }
  return 0;
}
