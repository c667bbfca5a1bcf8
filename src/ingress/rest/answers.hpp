#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admission/update.hpp"
#include "domain/progress.hpp"
#include "domain/values.hpp"
#include "http/response.hpp"
#include "ingest/pending.hpp"

/// What the service says about an update, in the words of docs/contract.md. The one place where outcomes become HTTP.
namespace pebbles::rest {

struct AnswerStyle {
  bool minimal = false;         ///< without errors and warnings
  std::size_t items_max = 100;  ///< errors, and warnings, shown
};

/// Why an update was not counted, as a status and a text, which may be the outcome's own; 503 for what its sender
/// should try again.
struct Refusal {
  int status;
  std::string_view text;
};
/// Nullopt for what was counted, now or before.
[[nodiscard]] std::optional<Refusal> refusal_of(const ingest::Outcome& outcome);
inline constexpr Refusal overloaded_refusal{.status = 503,
                                            .text = "Too many updates at once; this one was not applied: retry it"};

[[nodiscard]] std::vector<http::ProblemFault> shown(const admission::Faults& faults);

/// The members that tell the state behind an update that was counted.
void append_state(std::string& out, std::string_view client, std::string_view filename, const ingest::ShownState& state,
                  bool created, const AnswerStyle& style);

[[nodiscard]] http::Response answer_of(const ingest::Outcome& outcome, const domain::StreamId& stream,
                                       const AnswerStyle& style);
[[nodiscard]] http::Response answer_of(const admission::Faults& faults);
/// 400 for a header.
[[nodiscard]] http::Response malformed(std::string_view detail);
[[nodiscard]] bool is_precondition_failed(const ingest::Outcome& outcome);
/// The lane had no room, or takes nothing any more: certainly not counted.
[[nodiscard]] http::Response overloaded();

}  // namespace pebbles::rest
