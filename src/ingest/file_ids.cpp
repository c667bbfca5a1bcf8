#include "ingest/file_ids.hpp"

#include <algorithm>

#include "crypto/sha256.hpp"

namespace pebbles::ingest {

FileIds::FileIds() {
  std::array<std::uint8_t, 3> start{};
  crypto::fill_random(random_);
  crypto::fill_random(start);
  for (const auto byte : start) counter_ = counter_ << 8U | byte;
}

domain::FileId FileIds::next(Timestamp now) {
  const auto seconds =
      static_cast<std::uint32_t>(std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count());
  const auto count = counter_++;
  domain::FileId out{};
  for (unsigned i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(seconds >> (24U - 8U * i));
  std::ranges::copy(random_, out.begin() + 4);
  for (unsigned i = 0; i < 3; ++i) out[9 + i] = static_cast<std::uint8_t>(count >> (16U - 8U * i));
  return out;
}

}  // namespace pebbles::ingest
