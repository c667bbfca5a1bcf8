#include "http/gzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <optional>

#include "base/assert.hpp"
#include "base/header_text.hpp"
#include "http/accept.hpp"

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
    std::string out;
    add(body, true, out);
    return out;
  }

  /// Appends what there is to write of one more piece, which may be nothing yet, and the end behind the last.
  void add(std::string_view piece, bool is_last, std::string& out) {
    const auto before = out.size();
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));  // zlib does not write there
    stream_.avail_in = static_cast<uInt>(piece.size());
    out.resize(before + deflateBound(&stream_, static_cast<uLong>(piece.size())));
    stream_.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream_.avail_out = static_cast<uInt>(out.size() - before);
    int code = deflate(&stream_, is_last ? Z_FINISH : Z_NO_FLUSH);
    // What earlier pieces left inside may need more than this one's bound.
    while (is_last ? code != Z_STREAM_END : stream_.avail_in > 0) {
      const auto used = out.size() - stream_.avail_out;
      out.resize(used + more_bytes);
      stream_.next_out = reinterpret_cast<Bytef*>(out.data() + used);
      stream_.avail_out = more_bytes;
      code = deflate(&stream_, is_last ? Z_FINISH : Z_NO_FLUSH);
      PEBBLES_ASSERT(code == Z_OK || code == Z_STREAM_END, "a compressor with room goes on");
    }
    out.resize(out.size() - stream_.avail_out);
  }

 private:
  static constexpr uInt more_bytes = 64U << 10U;
  z_stream stream_{};
};

/// Another source's pieces, compressed.
class GzipSource final : public BodySource {
 public:
  explicit GzipSource(std::unique_ptr<BodySource> plain) : plain_{std::move(plain)} {}

  Result<bool> next(std::string& out) override {
    piece_.clear();
    PEBBLES_TRY(more, plain_->next(piece_));
    deflater_.add(piece_, !more, out);
    return more;
  }

 private:
  std::unique_ptr<BodySource> plain_;
  Deflater deflater_;
  std::string piece_;
};

void name_gzip(Response& response) {
  add_header(response, "Content-Encoding", "gzip");
  constexpr std::string_view strong = "ETag: \"";
  const auto tag = response.headers.find(strong);
  if (tag != std::string::npos) response.headers.insert(tag + strong.size() - 1, "W/");
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

bool is_negotiated(const Response& response) {
  return response.stream || response.status == 304 || (response.status == 200 && !response.body.empty());
}

bool is_worth_gzip(const Response& response) {
  if (response.stream) return true;
  return response.body.size() > gzip_bytes_min && response.status >= 200 && response.status != 304;
}

std::string gzip(std::string_view body) {
  thread_local Deflater deflater;
  return deflater.compress(body);
}

void put_gzip_stream(Response& response) {
  response.stream->source = std::make_unique<GzipSource>(std::move(response.stream->source));
  name_gzip(response);
}

void put_gzip(Response& response, std::string compressed) {
  response.body = std::move(compressed);
  name_gzip(response);
}

}  // namespace pebbles::http
