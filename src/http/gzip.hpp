#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "http/response.hpp"

namespace pebbles::http {

/// Answers with a longer body are compressed for those who ask.
inline constexpr std::size_t gzip_bytes_min = 1024;
/// Up to here it takes well under a millisecond, so a loop does it itself; a longer body goes to a worker.
inline constexpr std::size_t gzip_at_once_bytes_max = 16UL << 10U;

/// Whether an `Accept-Encoding` value prefers gzip to nothing at all (RFC 9110, section 12.5.3).
[[nodiscard]] bool accepts_gzip(std::string_view accept_encoding);

/// Whether answers of its kind are compressed for callers that ask for it: then each says so in `Vary`, a 304 and one
/// that is too short too (RFC 9110, section 15.4.5).
[[nodiscard]] bool is_negotiated(const Response& response);
/// Whether the answer is compressed for callers that ask for it.
[[nodiscard]] bool is_worth_gzip(const Response& response);

/// The gzip format (RFC 1952), made quickly. Threads: any; each keeps its compressor.
[[nodiscard]] std::string gzip(std::string_view body);

/// Puts the compressed body in the place of the other. Its `ETag`, if any, becomes a weak one: the bytes are others,
/// what they say is the same (RFC 9110, section 8.8.3).
void put_gzip(Response& response, std::string compressed);
/// The same for one that is streamed: its pieces are compressed where they are made.
void put_gzip_stream(Response& response);

}  // namespace pebbles::http
