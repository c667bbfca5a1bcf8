#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "admission/update.hpp"

/// Bytes of a batch → its updates, each judged by itself.
namespace pebbles::admission {

inline constexpr std::size_t batch_bytes_max = 16UL << 20U;
inline constexpr std::size_t batch_updates_max = 10'000;
/// Of all updates together. Beyond it each of them still names its first one: a batch of faults must not take many
/// times its own memory.
inline constexpr std::size_t batch_faults_max = 10'000;

enum class BatchForm : std::uint8_t {
  json,    ///< an array of updates, or an object whose `updates` is one
  ndjson,  ///< an update a line; lines of white space don't count
};

/// One update is longer than `update_bytes_max`.
struct TooLarge {};
using BatchItem = std::variant<Update, Faults, TooLarge>;

/// What is wrong with a batch as a whole, so that none of its updates can be told.
struct BadBatch {
  bool has_too_many = false;
  std::string detail;
};

/// Parses and judges the updates of a batch, in order; pointers of their faults begin at the update. A line of NDJSON
/// that is not JSON is the fault of that update; in a document it is one of the whole. Threads: any; each update is
/// copied once, into a parser that the thread keeps.
[[nodiscard]] std::expected<std::vector<BatchItem>, BadBatch> parse_batch(std::string_view body, BatchForm form);

}  // namespace pebbles::admission
