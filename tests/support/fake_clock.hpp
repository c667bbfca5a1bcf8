#pragma once
#include "base/clock.hpp"

namespace pebbles::support {

/// Where every test's time begins: 2023-11-14T22:13:20Z.
inline constexpr Timestamp t0{std::chrono::milliseconds{1'700'000'000'000}};

/// Stands still unless told otherwise, and goes backwards when told so. Threads: one.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override { return now_; }
  void advance(std::chrono::milliseconds by) { now_ += by; }

 private:
  Timestamp now_ = t0;
};

}  // namespace pebbles::support
