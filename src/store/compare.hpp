#pragma once
#include <optional>
#include <string>

#include "store/event_store.hpp"

namespace pebbles::store {

/// The members in which two states of one stream differ ("counts, total"), or nothing. Looks at neither `rev` nor
/// `fold`, which say how a snapshot came to be and not what it holds.
[[nodiscard]] std::optional<std::string> difference(const Snapshot& kept, const Snapshot& folded);

}  // namespace pebbles::store
