#pragma once
#include <cstdint>

#include "domain/progress.hpp"

namespace pebbles::store {

/// How many files of a client are how. One with errors is counted as running or completed too.
struct ClientSummary {
  std::int64_t running = 0;
  std::int64_t completed = 0;
  std::int64_t with_errors = 0;
  std::int64_t with_warnings = 0;
  std::int64_t stalled = 0;  ///< of the running ones
  friend bool operator==(const ClientSummary&, const ClientSummary&) = default;
};

/// A file's state as one small number, which stores keep beside it, so that counting need not read files. It changes a
/// few times in a file's life. The numbers are stored: they are kept for ever.
inline constexpr int state_completed = 1;
inline constexpr int state_with_errors = 2;
inline constexpr int state_with_warnings = 4;
inline constexpr int states = 8;
inline constexpr int state_deleted = 8;  ///< of what is kept in a file's place: it is none, and not counted
[[nodiscard]] int state_of(const domain::Progress& progress);

/// Adds so many files of that state; a negative number takes them away.
void count_files(ClientSummary& summary, int state, std::int64_t files);

}  // namespace pebbles::store
