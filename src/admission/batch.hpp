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

/// Reads a batch in portions, so that one whose updates weigh many times their text is never in memory as a whole:
/// however large it is, a portion holds `portion_bytes_max` and one update more. What is not JSON is found before the
/// first portion is handed out: a document that does not fit into it is looked through to its end, without a tree.
/// Threads: one at a time, each of which copies every update once into a parser of its own. `body` outlives it.
class BatchReader {
 public:
  /// Of a portion, by `bytes_of`.
  static constexpr std::size_t portion_bytes_max = 8UL << 20U;

  /// Finds where the updates begin and end.
  [[nodiscard]] static std::expected<BatchReader, BadBatch> open(std::string_view body, BatchForm form);

  [[nodiscard]] std::size_t size() const { return texts_.size(); }
  [[nodiscard]] bool is_done() const { return next_ == texts_.size(); }

  /// Parses and judges the next updates, in order; pointers of their faults begin at the update. An update that is too
  /// large, or has a string or a number that cannot be read, is refused by itself; so is a line of NDJSON that is not
  /// JSON. In a document that is a fault of the whole.
  [[nodiscard]] std::expected<std::vector<BatchItem>, BadBatch> read(std::size_t bytes_max = portion_bytes_max);

 private:
  BatchReader(std::string_view body, BatchForm form, std::vector<std::string_view> texts)
      : body_{body}, form_{form}, texts_{std::move(texts)} {}
  [[nodiscard]] std::expected<void, BadBatch> check_rest() const;

  std::string_view body_;
  BatchForm form_{};
  std::vector<std::string_view> texts_;
  std::size_t next_ = 0;
  std::size_t faults_left_ = batch_faults_max;
  bool is_checked_ = false;  ///< all of the document is JSON
};

/// The most memory that `BatchReader::read` leaves behind.
inline constexpr std::size_t portion_memory_max = BatchReader::portion_bytes_max + parsed_bytes_max(update_bytes_max);

/// A bound for the memory that an update of a batch holds, or its faults.
[[nodiscard]] std::size_t bytes_of(const BatchItem& item);

/// All of a batch at once.
[[nodiscard]] std::expected<std::vector<BatchItem>, BadBatch> parse_batch(std::string_view body, BatchForm form);

}  // namespace pebbles::admission
