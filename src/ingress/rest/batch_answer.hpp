#pragma once
#include <cstddef>
#include <span>
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
  AnswerStyle update;                          ///< `minimal`: without states
  bool lines = false;                          ///< NDJSON
  std::size_t states_bytes_max = 16UL << 20U;  ///< results behind that come without states
};

/// The 200 that tells of each update in its order.
[[nodiscard]] http::Response answer_of(std::span<const BatchEntry> entries, const domain::ClientKrn& client,
                                       const BatchStyle& style);

}  // namespace pebbles::rest
