#pragma once
#include <optional>
#include <string>

#include "base/environment.hpp"
#include "base/result.hpp"

namespace pebbles::aws {

/// The URL of the container's credentials: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI on ECS's address, else
/// AWS_CONTAINER_CREDENTIALS_FULL_URI; nullopt when neither is set. As the SDKs do, plain HTTP only to this host and to
/// the link-local addresses of ECS and EKS, since the answer is secret. Errors: forbidden for others.
[[nodiscard]] Result<std::optional<std::string>> container_endpoint(const Environment& environment);

}  // namespace pebbles::aws
