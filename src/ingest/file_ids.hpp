#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.hpp"
#include "domain/values.hpp"

namespace pebbles::ingest {

/// Makes ids for new files: four bytes of seconds, as in a MongoDB ObjectId, ten bits of milliseconds, and 54 random
/// bits. Ids of one loop grow with time, within a millisecond by random steps, and those of two never meet. They have
/// no counter, which would tell each client how many updates of all others came between two of its own. Threads: one.
class FileIds {
 public:
  FileIds() = default;
  FileIds(const FileIds&) = delete;  // a copy would make the same ids again, for other files
  FileIds& operator=(const FileIds&) = delete;
  [[nodiscard]] domain::FileId next(Timestamp now);

 private:
  [[nodiscard]] std::uint64_t draw();

  Timestamp last_{};
  std::uint64_t random_ = 0;               ///< the random part of the last id
  std::array<std::uint64_t, 64> drawn_{};  ///< many at once: each call of the generator costs as much as parsing
  std::size_t left_ = 0;                   ///< of `drawn_`
};

}  // namespace pebbles::ingest
