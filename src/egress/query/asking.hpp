#pragma once
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "access/guard.hpp"
#include "admission/client_krn.hpp"
#include "base/result.hpp"
#include "domain/values.hpp"
#include "egress/query/query_options.hpp"
#include "egress/query/read_access.hpp"
#include "http/exchange.hpp"
#include "http/response.hpp"
#include "http/task.hpp"
#include "http/worker_pool.hpp"

/// What the routes that read have in common: who may ask, what they may ask, and what they hear if they may not.
namespace pebbles::query {

inline constexpr std::string_view unknown_file = "Progress not found for this file";

[[nodiscard]] http::Response invalid(std::string_view what);
/// For a cursor that is not authentic, of an earlier version, of something else, or of a key that is no longer there.
/// `parameter` held it; `what` is what it should have been of.
[[nodiscard]] http::Response bad_cursor(std::string_view parameter, std::string_view what);
/// For what the store could not do; says so in the log.
[[nodiscard]] http::Response read_failure(const Error& error);

/// Of a client's files, for links: an absolute URL where the service's own is known, else an absolute path.
[[nodiscard]] std::string path_of_files(const QueryOptions& options, const domain::ClientKrn& client);

/// Nullopt for all but a positive decimal number, as large as numbers of the API may be.
[[nodiscard]] std::optional<std::int64_t> read_number(std::string_view text);

/// The parameter `limit`: `otherwise` where it isn't given, cut to `limit_max`. The error is the answer to give.
[[nodiscard]] std::expected<std::size_t, http::Response> read_limit(const http::Exchange& exchange,
                                                                    std::size_t otherwise, std::size_t limit_max);

/// The id that stands at a capture of the route; nullopt for what is none.
[[nodiscard]] std::optional<domain::FileId> read_id(std::string_view digits);

enum class Format : std::uint8_t { json, ndjson, csv };
inline constexpr std::string_view ndjson_type = "application/x-ndjson";
inline constexpr std::string_view csv_type = "text/csv; charset=utf-8";

/// What the parameter `format` names, which a link can hold, else what `Accept` prefers; one of `formats`, of which the
/// first is the usual one. The error is the answer to give.
[[nodiscard]] std::expected<Format, http::Response> read_format(const http::Exchange& exchange,
                                                                std::span<const Format> formats);

/// Admits requests for one client's data. Threads: its loop's.
class ReadGate {
 public:
  /// `rule` outlives it.
  ReadGate(const admission::ClientKrnRule& rule, ReadAccess access) : rule_{rule}, access_{std::move(access)} {}

  /// The answer to give to who may not read, or asks for what cannot be: the client's name is the first capture, and
  /// the parameters of `once` may not be given twice. Nullopt when all is well.
  [[nodiscard]] http::Task<std::optional<http::Response>> refuse(const http::Exchange& exchange,
                                                                 std::span<const std::string_view> once) const;

  /// Whose work the answer is, once the request is admitted.
  [[nodiscard]] http::Asker asker(const http::Exchange& exchange) const;

 private:
  const admission::ClientKrnRule& rule_;
  ReadAccess access_;
};

/// Runs what may block on a pool, in the asker's turn; a 503 when the pool is full. Name `work`, and move it in.
template <class Work>
http::Task<http::Response> answer_on(http::WorkerPool& pool, http::Asker asker, Work work) {
  auto response = co_await http::run_on(pool, std::move(asker), std::move(work));
  if (!response) co_return http::try_later("Too many reads at once");
  co_return *std::move(response);
}

}  // namespace pebbles::query
