#pragma once
#include <array>
#include <cstdint>

#include "base/clock.hpp"
#include "domain/values.hpp"

namespace pebbles::ingest {

/// Makes ids for new files that are laid out like a MongoDB ObjectId: seconds, 5 random bytes drawn at start, and a
/// counter that starts at random; so ids of one loop grow with time, and those of two never meet. Threads: one.
class FileIds {
 public:
  FileIds();
  FileIds(const FileIds&) = delete;  // a copy would make the same ids again, for other files
  FileIds& operator=(const FileIds&) = delete;
  [[nodiscard]] domain::FileId next(Timestamp now);

 private:
  std::array<std::uint8_t, 5> random_{};
  std::uint32_t counter_ = 0;
};

}  // namespace pebbles::ingest
