#pragma once
#include <chrono>
#include <cstddef>
#include <optional>

namespace pebbles::ingest {

/// How fast a lane gets on: what an update of a batch takes, learnt from each batch, and so how long another waits.
/// Threads: none of its own; whoever holds it locks.
class Pace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  /// A batch begins, or ends with nothing behind it.
  void begin(std::size_t updates, Time now);
  void end(Time now);

  /// For how long the batch has been under way; zero when there is none.
  [[nodiscard]] Duration elapsed(Time now) const;
  [[nodiscard]] Duration for_updates(std::size_t updates) const;
  /// How many updates take so long; at least `telling`.
  [[nodiscard]] std::size_t updates_in(Duration time) const;

  /// Smaller batches take as long as they do for reasons that larger ones share, so each is taken for one of so many:
  /// a burst behind a single update is not refused for what that one took.
  static constexpr std::size_t telling = 256;

 private:
  struct Batch {
    std::size_t updates;
    Time began;
  };
  std::optional<Batch> batch_;
  std::chrono::duration<double, std::nano> each_{0};  ///< a moving mean
};

}  // namespace pebbles::ingest
