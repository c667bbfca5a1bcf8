#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "admission/batch.hpp"
#include "http/response.hpp"
#include "ingest/pending.hpp"
#include "ingress/rest/answers.hpp"

namespace pebbles::rest {

/// A lane had no room for it.
struct NotTaken {};
/// What became of one update of a batch.
struct BatchEntry {
  std::string_view filename;  ///< kept by whoever has the entries; only of good updates
  std::variant<NotTaken, admission::Faults, admission::TooLarge, ingest::Outcome> result;
};

struct BatchStyle {
  AnswerStyle update;                         ///< `minimal`: without states
  bool lines = false;                         ///< NDJSON
  std::size_t states_bytes_max = 4UL << 20U;  ///< results after that come without states
};

/// The 200 that tells of each update in its order, written as portions of a batch are counted. Threads: one at a time.
class BatchAnswer {
 public:
  BatchAnswer(domain::ClientKrn client, const BatchStyle& style) : client_{std::move(client)}, style_{style} {}

  /// The next updates.
  void add(std::span<const BatchEntry> entries);
  /// Results from now on come without states.
  void leave_out_states() { style_.states_bytes_max = 0; }
  [[nodiscard]] http::Response finish() &&;

 private:
  domain::ClientKrn client_;
  BatchStyle style_;
  std::string results_;
  std::size_t counted_ = 0;
  std::size_t entries_ = 0;
};

/// The same at once.
[[nodiscard]] http::Response answer_of(std::span<const BatchEntry> entries, const domain::ClientKrn& client,
                                       const BatchStyle& style);

}  // namespace pebbles::rest
