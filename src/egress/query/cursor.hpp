#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "store/list_query.hpp"

namespace pebbles::query {

/// An opaque, URL-safe name of a place in a list: base64url of a format byte, the position, and 8 bytes of SHA-256
/// over position and list, so that a cursor of another list, or a made-up one, is told from a right one. A list is a
/// client's, under its filters, in its order; where it begins and how long its pages are does not count.
[[nodiscard]] std::string make_cursor(const domain::ClientKrn& client, const store::ListQuery& list,
                                      const store::ListPosition& position);

/// Nullopt when it isn't exactly what `make_cursor` gave for this list.
[[nodiscard]] std::optional<store::ListPosition> read_cursor(const domain::ClientKrn& client,
                                                             const store::ListQuery& list, std::string_view cursor);

}  // namespace pebbles::query
