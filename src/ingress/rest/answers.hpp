#pragma once
#include <cstddef>

#include "admission/update.hpp"
#include "domain/values.hpp"
#include "http/response.hpp"
#include "ingest/pending.hpp"

/// What the service says about an update, in the words of docs/contract.md. The one place where outcomes become HTTP.
namespace pebbles::rest {

struct AnswerStyle {
  bool minimal = false;         ///< without errors and warnings
  std::size_t items_max = 100;  ///< errors, and warnings, shown
};

[[nodiscard]] http::Response answer_of(const ingest::Outcome& outcome, const domain::StreamId& stream,
                                       const AnswerStyle& style);
[[nodiscard]] http::Response answer_of(const admission::Faults& faults);
/// The lane had no room, or takes nothing any more: certainly not counted.
[[nodiscard]] http::Response overloaded();

}  // namespace pebbles::rest
