#pragma once
#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/cancellation.hpp"
#include "http/fair_budget.hpp"
#include "http/response.hpp"
#include "http/target.hpp"
#include "http/task.hpp"

namespace pebbles::http {

class Connection;

/// One request, as its handler sees it. What it returns by view stays valid until the handler has answered.
/// Threads: its loop's.
class Exchange {
 public:
  Exchange(Connection& connection, Target target, std::vector<std::string_view> captures)
      : connection_{connection}, target_{std::move(target)}, captures_{std::move(captures)} {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  [[nodiscard]] std::string_view method() const;
  /// What stood at the n-th `{…}` of the route's pattern, decoded: UTF-8 without NUL.
  [[nodiscard]] std::string_view capture(std::size_t n) const { return captures_[n]; }
  /// A query parameter's decoded value, nullptr when absent; the first when there are several.
  [[nodiscard]] const std::string* parameter(std::string_view name) const { return target_.parameter(name); }
  [[nodiscard]] std::size_t parameter_count(std::string_view name) const { return target_.count_of(name); }
  /// A header field's value (the first), "" when absent. Never from a trailer.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] std::size_t header_count(std::string_view name) const;
  /// All fields of that name as one list: for those that may be given in several (RFC 9110, section 5.3).
  [[nodiscard]] std::string combined_header(std::string_view name) const;

  /// The whole body; call once. Sends `100 Continue` first where the client waits for it (RFC 9110, section 10.1.1),
  /// so check everything in the head before. The error is the answer to give: 413 when the body is announced or found
  /// to be longer than `bytes_max`, 400 when it is malformed, 408 when it takes too long.
  /// With a budget, which outlives the exchange, a body above 16 KiB takes its room there before it takes memory, and
  /// the answer is 503 where none is left for the requester.
  [[nodiscard]] Task<std::expected<std::string_view, Response>> read_body(std::size_t bytes_max,
                                                                          FairBudget* budget = nullptr,
                                                                          std::string requester = {});

  /// The body's memory, and its room in the budget, before the answer is there. Views of it die.
  void drop_body();

  /// Where the request came from: the address of the connection's other end, "" when it has gone.
  [[nodiscard]] std::string peer() const;
  /// For work that takes long. A client that closes its side of the connection has left.
  [[nodiscard]] std::shared_ptr<const Cancellation> cancellation() const;

  /// Whose request it is, and of which file, as far as that is known: for the log.
  void note(std::string_view client, std::string_view file = {});

 private:
  Connection& connection_;
  Target target_;
  std::vector<std::string_view> captures_;
};

}  // namespace pebbles::http
