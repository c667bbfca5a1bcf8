#pragma once
#include <chrono>
#include <cstdint>
#include <optional>

#include "domain/progress.hpp"

namespace pebbles::query {

/// What is told of a file beside what is stored: as of the moment of the answer. Nothing of it is ever written, so no
/// file is marked by a report that came late. Absent while unknown.
struct Derived {
  std::optional<std::int64_t> percent_tenths;    ///< 1000 is done; cut, not rounded
  std::optional<std::int64_t> rate_thousandths;  ///< rows a second
  std::optional<std::int64_t> eta_seconds;
  std::optional<std::int64_t> idle_seconds;  ///< since the last update; none once completed
  bool stalled = false;
  friend bool operator==(const Derived&, const Derived&) = default;
};

/// Running, and last updated before `stalled_before`.
[[nodiscard]] bool is_stalled(const domain::Progress& progress, Timestamp stalled_before);

[[nodiscard]] Derived derive(const domain::Progress& progress, Timestamp now, std::chrono::seconds stalled_after);

}  // namespace pebbles::query
