#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace pebbles::query {

/// An opaque, URL-safe name of a place in what does not change but grows: errors, events, a feed. base64url of a format
/// byte, the numbers, and 8 bytes of SHA-256 over them and the scope (whose it is, of what, under which filter), so
/// that a cursor of something else, or a made-up one, is told from a right one. Parts of a scope are joined by NUL,
/// which no parameter holds.
[[nodiscard]] std::string make_place(std::string_view scope, std::span<const std::int64_t> numbers);

/// Fills `numbers`; false when it isn't exactly what `make_place` gave for this scope, and for as many.
[[nodiscard]] bool read_place(std::string_view scope, std::string_view cursor, std::span<std::int64_t> numbers);

}  // namespace pebbles::query
