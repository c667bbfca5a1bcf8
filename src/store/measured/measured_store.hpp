#pragma once
#include <memory>

#include "store/store.hpp"

namespace pebbles::store {

/// The same store, of which each operation is timed and counted, and the growth of its log (telemetry/store_metrics).
/// Reads from memory (`at_hand`) are not: they take less time than the clock.
[[nodiscard]] std::unique_ptr<Store> measured(std::unique_ptr<Store> store);

}  // namespace pebbles::store
