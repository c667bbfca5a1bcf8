#include "ingest/file_ids.hpp"

#include <chrono>

#include "crypto/sha256.hpp"

namespace pebbles::ingest {
namespace {

constexpr unsigned random_bits = 54;

}  // namespace

std::uint64_t FileIds::draw() {
  if (left_ == 0) {
    crypto::fill_random({reinterpret_cast<std::uint8_t*>(drawn_.data()), sizeof drawn_});
    left_ = drawn_.size();
  }
  return drawn_[--left_];
}

domain::FileId FileIds::next(Timestamp now) {
  using std::chrono::seconds;
  const auto second = std::chrono::floor<seconds>(now);
  if (now == last_ && random_ != 0)
    random_ += 1 + (draw() >> 32U);
  else
    random_ = 1 + (draw() >> (64 - random_bits + 1));  // the lower half: two million steps stay in their bits
  last_ = now;
  const auto high = static_cast<std::uint32_t>(second.time_since_epoch().count());
  const auto low = static_cast<std::uint64_t>((now - second).count()) << random_bits |
                   (random_ & ((std::uint64_t{1} << random_bits) - 1));
  domain::FileId out{};
  for (unsigned i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(high >> (24U - 8U * i));
  for (unsigned i = 0; i < 8; ++i) out[4 + i] = static_cast<std::uint8_t>(low >> (56U - 8U * i));
  return out;
}

}  // namespace pebbles::ingest
