/// Calls an AWS service with the credentials that its environment gives, as the tests of src/aws tell it, one line of
/// JSON each on standard input; answers each with a line on standard output. Ends with its input.
///
///   {"do": "call", "action": …, "body": …, "timeout_ms": …}  ->  {"body": …} or {"fault": …, "status": …, …}
///   {"do": "credentials"}                                    ->  {"access_key_id": …, …} or {"error": …, "detail": …}
///   {"do": "endpoint", "service": …, "region": …}            ->  the default one
///
/// Its arguments are endpoint, region, service and target prefix, and optionally how many milliseconds before their end
/// credentials are fetched again, and for how long nothing is fetched after a failure or a refusal.
#include <fmt/core.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <span>

#include "aws/endpoint.hpp"
#include "aws/json_client.hpp"
#include "json/parser.hpp"
#include "json/writer.hpp"
#include "telemetry/telemetry.hpp"

namespace {

using namespace pebbles;

std::string json_text(std::string_view text) {
  std::string out;
  json::append_string(out, text);
  return out;
}

std::optional<std::string> from_process_environment(const std::string& name) {
  const auto* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): nobody sets any
  return value == nullptr ? std::nullopt : std::optional<std::string>{value};
}

std::string call(aws::JsonClient& client, const simdjson::dom::element& command) {
  const std::string action{std::string_view{command["action"]}};
  const std::string body{std::string_view{command["body"]}};
  const std::chrono::milliseconds timeout{std::int64_t{command["timeout_ms"]}};
  const auto answer = client.call(action, body, timeout);
  if (answer) return fmt::format(R"({{"body":{}}})", json_text(*answer));
  const auto& fault = answer.error();
  return fmt::format(R"({{"fault":"{}","status":{},"code":{},"message":{}}})", name_of(fault.kind), fault.status,
                     json_text(fault.code), json_text(fault.message));
}

std::string show(aws::CredentialsProvider& provider) {
  const auto got = provider.get({});
  if (!got)
    return fmt::format(R"({{"error":"{}","detail":{}}})",
                       got.error().code == Errc::store_unavailable ? "unavailable" : "forbidden",
                       json_text(got.error().detail));
  return fmt::format(R"({{"access_key_id":{},"secret_access_key":{},"session_token":{},"expires":{}}})",
                     json_text(got->access_key_id), json_text(got->secret_access_key), json_text(got->session_token),
                     got->expires ? json_text(to_rfc3339(*got->expires)) : "null");
}

std::string endpoint(const simdjson::dom::element& command) {
  const std::string_view service{command["service"]};
  const std::string_view region{command["region"]};
  return json_text(aws::default_endpoint(service, region));
}

aws::RefreshOptions refresh_options(std::span<char*> arguments) {
  constexpr std::size_t refresh = 5;
  aws::RefreshOptions out;
  if (arguments.size() <= refresh + 1) return out;
  out.before_expiry = std::chrono::milliseconds{std::stol(arguments[refresh])};
  out.retry_min = out.retry_max = out.refused_pause = std::chrono::milliseconds{std::stol(arguments[refresh + 1])};
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const std::span arguments{argv, static_cast<std::size_t>(argc)};
  constexpr std::size_t needed = 5;
  if (arguments.size() < needed) return 2;
  std::signal(SIGPIPE, SIG_IGN);
  telemetry::start_log("info", telemetry::LogFormat::text);
  const aws::Service service{
      .endpoint = arguments[1], .region = arguments[2], .name = arguments[3], .target_prefix = arguments[4]};
  const auto credentials =
      aws::default_credentials(from_process_environment, service.region, refresh_options(arguments));
  aws::JsonClient client{service, credentials};
  for (std::string line; std::getline(std::cin, line);) {
    simdjson::dom::element command;
    if (json::parse(line).get(command) != simdjson::SUCCESS) return 2;
    const std::string_view what{command["do"]};
    if (what == "call")
      line = call(client, command);
    else
      line = what == "endpoint" ? endpoint(command) : show(*credentials);
    std::cout << line << std::endl;
  }
  return 0;
}
