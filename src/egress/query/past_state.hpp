#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "egress/query/read_progress.hpp"
#include "http/loop.hpp"

namespace pebbles::query {

/// A moment of a file's life, as `?at=` names it.
using Moment = std::variant<Timestamp, store::Version>;

/// A time in UTC as RFC 3339 writes it, or a version above 0.
[[nodiscard]] std::optional<Moment> read_moment(std::string_view text);

/// Who wants to know, and for how long.
struct PastReader {
  http::Asker asker;
  std::shared_ptr<const http::Cancellation> cancellation;
};

/// Records as they were: the fold of the log up to a moment, a page of the log at a time, so that others have their
/// turn in between. It costs as much as there is of the log before that moment, and ends when its client leaves.
/// Threads: its loop's. Lifetime: as its loop's routes.
class PastStates {
 public:
  PastStates(http::Loop& loop, const QueryParts& parts) : loop_{loop}, parts_{parts} {}

  /// The answer: the record, or 404 where it did not exist at that moment.
  [[nodiscard]] http::Task<http::Response> show(domain::ClientKrn client, domain::FileId id, Moment moment,
                                                std::string if_none_match, PastReader reader);

 private:
  http::Loop& loop_;
  QueryParts parts_;
};

}  // namespace pebbles::query
