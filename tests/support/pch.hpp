// SPDX-License-Identifier: Apache-2.0
// The headers every test file needs, compiled once per test program.
#include <gtest/gtest.h>

#include <string>
#include <vector>
