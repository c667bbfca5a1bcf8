#include "app/sqs_options.hpp"

#include <fmt/core.h>

#include "aws/endpoint.hpp"
#include "base/redact.hpp"

namespace pebbles::app {

sqs::SqsOptions sqs_options(const Config& config) {
  sqs::SqsOptions out;
  out.queue_url = config.sqs_queue_url;
  out.endpoint = config.sqs_endpoint;
  out.region = config.aws_region;
  out.dead_letter_url = config.sqs_dead_letter_url;
  out.pollers_max = config.sqs_pollers_max;
  out.wait = config.sqs_wait;
  return out;
}

Result<std::string> sqs_endpoint_of(const std::string& queue_url, const std::string& region) {
  const auto scheme = queue_url.find("://");
  const auto authority = queue_url.find_first_of("/?#", scheme + 3);
  auto own = queue_url.substr(0, authority);
  constexpr std::string_view prefix = "sqs.";
  const auto host = own.substr(scheme + 3);
  const auto region_end = host.find('.', prefix.size());
  const bool is_aws = host.starts_with(prefix) && region_end != host.npos &&
                      std::string_view{host}.substr(region_end).contains(".amazonaws.");
  if (!is_aws) return own;
  const auto named = host.substr(prefix.size(), region_end - prefix.size());
  if (named != region)
    return failure(Errc::invalid_argument, fmt::format("SQS_QUEUE_URL={}: is in the region {}, but AWS_REGION is {}",
                                                       redacted(queue_url), named, region));
  return aws::default_endpoint("sqs", region);
}

}  // namespace pebbles::app
