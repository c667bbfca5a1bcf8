#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "http/response.hpp"
#include "store/progress_reader.hpp"

namespace pebbles::query {

/// What is shown of a record besides its state.
struct TagScope {
  std::size_t items_max = 0;
  Timestamp stalled_before;
  store::Version baseline = 0;  ///< above 0: the log that is shown begins with it, whatever was there before
};

/// Entity tags (RFC 9110, section 8.8.3), made without building the JSON: what is shown follows from a record's id,
/// version, rev and fold, from how many items are shown, and from whether it is stalled. What else depends on the
/// moment of the answer (`idleSeconds`, `etaSeconds`) does not count: a client that has a record can tell it by itself.
/// A record's tag begins as `domain::append_state_tag` has it: that is what `If-Match` compares.
[[nodiscard]] std::string tag_of(const store::Snapshot& snapshot, const TagScope& scope);
/// `next`: the reference to the next page; empty when there is none.
[[nodiscard]] std::string tag_of(const store::ListPage& page, std::string_view next, const TagScope& scope);

/// Whether an `If-None-Match` value names the tag, by weak comparison (RFC 9110, section 13.1.2): `*`, or a list of
/// tags. What isn't well-formed matches nothing.
[[nodiscard]] bool matches(std::string_view if_none_match, std::string_view tag);

/// An empty answer that carries the tag: 304 when the client has what it stands for, with the tag in the form that the
/// client has, else 200. Both say to ask again each time.
[[nodiscard]] http::Response tagged(std::string_view if_none_match, std::string_view tag);

}  // namespace pebbles::query
