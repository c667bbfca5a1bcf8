#pragma once
#include <string>
#include <string_view>

namespace pebbles::aws {

/// The public endpoint of a service in a region: https://sqs.eu-west-1.amazonaws.com, with the suffix of the region's
/// partition (amazonaws.com.cn for cn-north-1).
[[nodiscard]] std::string default_endpoint(std::string_view service, std::string_view region);

/// Whether it can be part of a host name and of a signature: letters, digits and hyphens, at most 63.
[[nodiscard]] bool is_valid_region(std::string_view region);

}  // namespace pebbles::aws
