#pragma once
#include <memory>
#include <string_view>
#include <utility>

#include "egress/query/asking.hpp"
#include "http/loop.hpp"
#include "http/streamed_body.hpp"

namespace pebbles::query {

/// Who wants a long answer, and for how long.
struct LongRequest {
  http::Asker asker;
  Format format = Format::json;
  std::shared_ptr<const http::Cancellation> cancellation;
};

/// Where lists, tables and histories are made: on a pool, in the asker's turn, while there is room for what
/// their readers have not yet read. Threads: its loop's. Lifetime: as its loop; the pool outlives it.
class LongAnswers {
 public:
  LongAnswers(http::Loop& loop, http::WorkerPool& pool)
      : pool_{pool}, unread_{loop.long_answers()}, streams_{loop.streams()} {}

  /// What `make` returns, which runs on the pool; a 503 when there is no room. Name `make`, and move it in.
  template <class Make>
  http::Task<http::Response> show(LongRequest request, Make make) {
    std::shared_ptr<const void> permit;
    if (request.format != Format::json) {
      permit = streams_.take(request.asker);
      if (!permit) co_return http::try_later("Too many exports at once");
    }
    auto work = [this, made = std::move(make), leave = std::move(permit),
                 cancellation = std::move(request.cancellation)]() mutable {
      if (cancellation->is_cancelled()) return http::try_later("Nobody waits for this answer");
      if (unread_.is_spent()) return http::try_later("Too many lists wait to be read by their clients");
      http::Response out = made();
      if (out.stream)
        out.stream->permit = std::move(leave);
      else
        out.share = unread_.take(out.body.capacity());
      return out;
    };
    co_return co_await answer_on(pool_, std::move(request.asker), std::move(work));
  }

  /// The answer whose body is made while it is sent. Threads: any.
  [[nodiscard]] http::Response stream(http::Asker asker, std::string_view content_type,
                                      std::unique_ptr<http::BodySource> source) const;

 private:
  http::WorkerPool& pool_;
  http::ByteBudget& unread_;
  http::StreamBudget& streams_;
};

}  // namespace pebbles::query
