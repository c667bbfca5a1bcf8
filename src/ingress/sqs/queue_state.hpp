#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "aws/fault.hpp"

namespace pebbles::sqs {

/// What is asked of the service; named in logs.
enum class Call : std::uint8_t { receive, remove, change_visibility, facts, send };
[[nodiscard]] std::string_view name_of(Call call);

/// Knows which calls fail, says so in the log when that changes and now and then while it lasts, and whether an
/// operator has to look. Threads: any.
class QueueState {
 public:
  void answered(Call call);
  void failed(Call call, const aws::Fault& fault);

  /// Access is denied or there is no such queue; or nothing has answered for a minute.
  [[nodiscard]] std::optional<std::string> trouble() const;
  /// "receiving", or which call fails and why.
  [[nodiscard]] std::string describe() const;

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  static constexpr std::size_t calls = 5;
  struct Failing {
    aws::Fault fault;
    SteadyTime since;
    SteadyTime said;
  };
  std::array<std::atomic<bool>, calls> fails_{};  ///< so that what works takes no lock
  std::atomic<bool> receives_{false};             ///< there was an answer to `receive` or `facts`
  mutable std::mutex mutex_;
  std::array<std::optional<Failing>, calls> failing_;
};

}  // namespace pebbles::sqs
