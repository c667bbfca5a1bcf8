#include "http/gzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <optional>

#include "base/assert.hpp"
#include "base/header_text.hpp"

namespace pebbles::http {
namespace {

/// A compressor that is set up once: its 256 KiB would cost more than a small body.
class Deflater {
 public:
  Deflater() {
    constexpr int gzip_window = 15 + 16;
    constexpr int memory_level = 8;
    const int code = deflateInit2(&stream_, Z_BEST_SPEED, Z_DEFLATED, gzip_window, memory_level, Z_DEFAULT_STRATEGY);
    PEBBLES_ASSERT(code == Z_OK, "there is memory for a compressor");
  }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;
  ~Deflater() { deflateEnd(&stream_); }

  std::string compress(std::string_view body) {
    deflateReset(&stream_);
    std::string out(deflateBound(&stream_, static_cast<uLong>(body.size())), '\0');
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));  // zlib does not write there
    stream_.avail_in = static_cast<uInt>(body.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    const int code = deflate(&stream_, Z_FINISH);
    PEBBLES_ASSERT(code == Z_STREAM_END, "deflateBound leaves room for all of it");
    out.resize(stream_.total_out);
    return out;
  }

 private:
  z_stream stream_{};
};

/// A weight in thousandths; nullopt when it is none (RFC 9110, section 12.4.2).
std::optional<int> weight_of(std::string_view parameters) {
  constexpr int whole = 1000;
  if (parameters.empty()) return whole;
  const auto equals = parameters.find('=');
  if (equals == parameters.npos || !equal_ignoring_case(trimmed(parameters.substr(0, equals)), "q"))
    return std::nullopt;
  const auto text = trimmed(parameters.substr(equals + 1));
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  int out = (text[0] - '0') * whole;
  if (text.size() > 1 && text[1] != '.') return std::nullopt;
  int place = whole / 10;
  for (const char digit : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (digit < '0' || digit > '9') return std::nullopt;
    out += (digit - '0') * place;
    place /= 10;
  }
  return out <= whole ? std::optional{out} : std::nullopt;
}

}  // namespace

bool accepts_gzip(std::string_view accept_encoding) {
  std::optional<int> named, any;
  int identity = 0;
  while (!accept_encoding.empty()) {
    auto coding = next_part(accept_encoding, ',');
    const auto name = next_part(coding, ';');
    const auto weight = weight_of(trimmed(coding));
    if (!weight) continue;
    if (equal_ignoring_case(name, "gzip") || equal_ignoring_case(name, "x-gzip")) named = weight;
    if (name == "*") any = weight;
    if (equal_ignoring_case(name, "identity")) identity = *weight;
  }
  const int gzip = named.value_or(any.value_or(0));
  return gzip > 0 && gzip >= identity;
}

bool is_worth_gzip(const Response& response) {
  return response.body.size() > gzip_bytes_min && response.status >= 200 && response.status != 304;
}

std::string gzip(std::string_view body) {
  thread_local Deflater deflater;
  return deflater.compress(body);
}

void put_gzip(Response& response, std::string compressed) {
  response.body = std::move(compressed);
  add_header(response, "Content-Encoding", "gzip");
  constexpr std::string_view strong = "ETag: \"";
  const auto tag = response.headers.find(strong);
  if (tag != std::string::npos) response.headers.insert(tag + strong.size() - 1, "W/");
}

}  // namespace pebbles::http
