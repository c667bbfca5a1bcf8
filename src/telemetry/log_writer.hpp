#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace pebbles::telemetry {

/// Writes lines to a descriptor from a thread of its own, so that a terminal or a pipe that nobody reads holds up
/// nobody who logs. What does not fit into its buffer is dropped and counted. Threads: any.
class LogWriter {
 public:
  struct Options {
    int descriptor = 2;
    std::size_t bytes_max = 0;  ///< of lines that wait to be written
    /// The line to write, `\n` included, when there is room again behind lines that were dropped.
    std::function<std::string(std::int64_t dropped)> tell_dropped;
    /// Called about once a second, from the writer's thread; may append.
    std::function<void()> each_second;
  };

  explicit LogWriter(Options options);
  /// Writes what waits, for at most `flush_max`.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  static constexpr std::chrono::seconds flush_max{1};

  /// A line with its `\n`. Never waits for the descriptor.
  void append(std::string_view line);
  /// Waits until all that was appended before is written. False when that took too long.
  bool flush(std::chrono::milliseconds patience = flush_max);
  /// Lines, since the start.
  [[nodiscard]] std::int64_t dropped() const;

 private:
  void run();
  void write_out(std::string_view text);
  [[nodiscard]] bool may_go_on() const;

  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::condition_variable written_;
  std::string waiting_;
  bool writing_ = false;
  bool hurried_ = false;  ///< somebody waits in `flush`
  bool stopping_ = false;
  std::chrono::steady_clock::time_point give_up_at_;  ///< when stopping
  std::int64_t dropped_ = 0;
  std::int64_t dropped_untold_ = 0;
  std::thread thread_;
};

}  // namespace pebbles::telemetry
