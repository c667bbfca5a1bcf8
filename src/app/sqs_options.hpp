#pragma once
#include <string>

#include "app/config.hpp"
#include "ingress/sqs/options.hpp"

namespace pebbles::app {

[[nodiscard]] sqs::SqsOptions sqs_options(const Config& config);

/// Where a queue's URL is asked for when no endpoint is set: of AWS's own host names the region's endpoint, else its
/// own scheme, host and port. Errors: invalid_argument, it is a URL of AWS in another region: signatures would not
/// hold.
[[nodiscard]] Result<std::string> sqs_endpoint_of(const std::string& queue_url, const std::string& region);

}  // namespace pebbles::app
