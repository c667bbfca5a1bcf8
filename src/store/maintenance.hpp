#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/event_store.hpp"
#include "store/kept_heads.hpp"

/// What proving and deriving snapshots has in common on every store.
namespace pebbles::store {

/// Told how far a long run is: streams done, streams in all.
using OnProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// What a verification is to do besides.
struct VerifyOptions {
  OnProgress on_progress = {};
  KeptHeads* kept_heads = nullptr;                      ///< to compare the log with; outlives the call
  std::function<void(const Snapshot&)> on_proved = {};  ///< told the fold of each log that is without a fault
};

struct Difference {
  StreamId stream;
  std::string what;  ///< "version 7: the chunk's hash does not match its bytes", "counts differ", …
};

inline constexpr std::size_t differences_max = 1000;

struct VerifyReport {
  std::int64_t streams = 0;
  std::int64_t chunks = 0;
  std::int64_t events = 0;
  std::int64_t not_yet_written = 0;  ///< streams of a running server whose snapshot still lags behind the log
  std::int64_t without_log = 0;      ///< files of before the log, which nobody has updated since
  std::int64_t differing = 0;
  std::vector<Difference> differences;  ///< the first `differences_max`

  /// A log was walked to its end, or to a fault. False, and the fault is noted, where there was one.
  bool walked(const Snapshot& folded, const std::optional<std::string>& fault, const VerifyOptions& options);
  /// All logs were.
  void finish(const VerifyOptions& options);
  void differ(const StreamId& stream, std::string what);
};

struct RebuildReport {
  std::int64_t streams = 0;
  std::int64_t rewritten = 0;    ///< their snapshot was missing or differed
  std::int64_t without_log = 0;  ///< files of before the log: left alone
  std::int64_t quarantined = 0;  ///< records that cannot be read: kept apart, with the reason
  std::int64_t failed = 0;       ///< their log contradicts itself: left as they were
  std::vector<Difference> failures;

  void fail(const StreamId& stream, std::string what);
};

/// The state behind one more chunk, whose hash, predecessor and versions are proved on the way; the first fault, if
/// any. `events` is what the store says their number is; `chunk.events` are decoded from `text` here.
[[nodiscard]] std::optional<std::string> fold_proved(Snapshot& state, Chunk& chunk, std::string_view text,
                                                     std::int64_t events);

}  // namespace pebbles::store
