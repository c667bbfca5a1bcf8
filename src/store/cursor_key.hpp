#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "crypto/sha256.hpp"

namespace pebbles::store {

/// What cursors are sealed with. The store keeps it, so that all instances have the same one, and a restored backup too
/// (docs/adr/0019-cursors.md). A secret: it stands in no log and in no answer.
using CursorKey = std::array<std::uint8_t, 32>;

[[nodiscard]] inline CursorKey draw_cursor_key() {
  CursorKey out;
  crypto::fill_random(out);
  return out;
}

}  // namespace pebbles::store
