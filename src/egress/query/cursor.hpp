#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "store/progress_reader.hpp"

namespace pebbles::query {

/// What a cursor is good for: one client's list under one filter.
struct CursorScope {
  const domain::ClientKrn& client;
  const std::optional<domain::Email>& owner;
};

/// An opaque, URL-safe name of a place in a list: base64url of a format byte, the position, and 8 bytes of SHA-256
/// over position and scope, so that a cursor of another list, or a made-up one, is told from a right one.
[[nodiscard]] std::string make_cursor(const CursorScope& scope, const store::ListPosition& position);

/// Nullopt when it isn't exactly what `make_cursor` gave for this scope.
[[nodiscard]] std::optional<store::ListPosition> read_cursor(const CursorScope& scope, std::string_view cursor);

}  // namespace pebbles::query
