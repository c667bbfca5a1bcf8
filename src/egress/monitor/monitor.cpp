#include "egress/monitor/monitor.hpp"

#include <memory>

#include "http/exchange.hpp"

namespace pebbles::monitor {

using http::Exchange;
using http::Response;
using http::Task;

namespace {

Response not_kept(std::string_view type, std::string body) {
  return {.status = 200, .content_type = type, .headers = "Cache-Control: no-store\r\n", .body = std::move(body)};
}

bool asks_for_details(const Exchange& exchange) {
  return exchange.parameter_count("verbose") > 0 ||
         exchange.combined_header("Accept").find(http::json_type) != std::string::npos;
}

class Monitor {
 public:
  explicit Monitor(MonitorParts parts) : parts_{std::move(parts)} {}

  static Task<Response> alive() { co_return not_kept(http::text_type, "OK"); }

  Task<Response> ready(const Exchange& exchange) const { co_return co_await answer(exchange, parts_.trouble()); }

  Task<Response> healthy(const Exchange& exchange) const {
    auto trouble = parts_.trouble();
    if (!trouble) trouble = parts_.impairment();
    co_return co_await answer(exchange, std::move(trouble));
  }

  Task<Response> metrics() const {
    auto work = [this] { return not_kept("text/plain; version=0.0.4; charset=utf-8", parts_.metrics()); };
    co_return co_await on_pool(std::move(work));
  }

 private:
  Task<Response> answer(const Exchange& exchange, std::optional<std::string> trouble) const {
    if (asks_for_details(exchange)) co_return co_await show_details(trouble);
    co_return trouble ? unready(*trouble) : not_kept(http::text_type, "OK");
  }

  static Response unready(std::string_view why) {
    auto out = http::try_later(why);
    http::add_header(out, "Cache-Control", "no-store");
    return out;
  }

  Task<Response> show_details(std::optional<std::string> trouble) const {
    auto work = [this, trouble = std::move(trouble)] {
      const auto details = parts_.describe() + "}";
      if (!trouble) return not_kept(http::json_type, R"({"status":"ok",)" + details);
      auto out = unready(*trouble);
      out.body.back() = ',';
      out.body += details;
      return out;
    };
    co_return co_await on_pool(std::move(work));
  }

  template <class Work>
  Task<Response> on_pool(Work work) const {
    std::string anybody;
    auto response = co_await http::run_on(parts_.pool, std::move(anybody), std::move(work));
    if (!response) co_return http::try_later("Too many questions at once");
    co_return *std::move(response);
  }

  MonitorParts parts_;
};

}  // namespace

void add_health_routes(http::Loop& loop, const MonitorParts& parts) {
  auto monitor = std::make_shared<Monitor>(parts);
  auto& router = loop.router();
  router.add("GET", "/livez", [](Exchange&) { return Monitor::alive(); });
  router.add("GET", "/readyz", [monitor](Exchange& exchange) { return monitor->ready(exchange); });
  router.add("GET", "/health", [monitor](Exchange& exchange) { return monitor->healthy(exchange); });
}

void add_metrics_route(http::Loop& loop, const MonitorParts& parts) {
  auto monitor = std::make_shared<Monitor>(parts);
  loop.router().add("GET", "/metrics", [monitor](Exchange&) { return monitor->metrics(); });
}

}  // namespace pebbles::monitor
