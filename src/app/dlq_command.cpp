#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "app/commands.hpp"
#include "app/kafka_options.hpp"
#include "ingress/kafka/replay.hpp"

namespace pebbles::app {
namespace {

/// Nullopt for no text. Error: invalid_argument that names the flag.
Result<std::optional<Timestamp>> read_time(std::string_view flag, const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto time = from_rfc3339(text);
  if (!time)
    return failure(Errc::invalid_argument,
                   fmt::format("{} {}: must be a time in UTC such as 2026-01-31T12:00:00Z", flag, text));
  return time;
}

Result<kafka::ReplayOptions> options_of(const Config& config, const ReplayRequest& request) {
  if (config.kafka_bootstrap_servers.empty())
    return failure(Errc::invalid_argument, "KAFKA_BOOTSTRAP_SERVERS is not set");
  PEBBLES_TRY(from, read_time("--from", request.from));
  PEBBLES_TRY(to, read_time("--to", request.to));
  return kafka::ReplayOptions{
      .kafka = kafka_options(config), .from = from, .to = to, .reasons = request.reasons, .dry_run = request.dry_run};
}

std::string counted(std::int64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

void print_report(const kafka::ReplayReport& report, bool dry_run) {
  std::vector<std::pair<std::string, std::int64_t>> reasons{report.by_reason.begin(), report.by_reason.end()};
  std::ranges::stable_sort(reasons, std::ranges::greater{}, &std::pair<std::string, std::int64_t>::second);
  std::int64_t chosen = 0;
  for (const auto& [reason, count] : reasons) {
    fmt::print("{:>10} {}\n", count, reason);
    chosen += count;
  }
  if (dry_run)
    fmt::print("{} would be sent back\n", counted(chosen - report.without_value, "dead letter", "dead letters"));
  else
    fmt::print("{} sent back\n", counted(report.sent, "dead letter", "dead letters"));
  if (report.without_value > 0)
    fmt::print("{} cannot be sent back: the topic could not take {}\n", report.without_value,
               report.without_value == 1 ? "its value" : "their values");
  if (report.foreign > 0)
    fmt::print("{} of Pebbles, left alone\n",
               counted(report.foreign, "message that is no dead letter", "messages that are no dead letters"));
}

}  // namespace

int replay_dead_letters(const Config& config, const ReplayRequest& request) {
  auto options = options_of(config, request);
  const auto report = options ? kafka::replay(*options) : std::unexpected{options.error()};
  if (!report) {
    fmt::print(stderr, "pebbles: {}\n", report.error().detail);
    return 2;
  }
  print_report(*report, request.dry_run);
  return 0;
}

}  // namespace pebbles::app
