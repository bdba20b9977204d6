// SPDX-License-Identifier: Apache-2.0
// vpowercap: the operator's command.
#include "host/ctl/command.hpp"

int main(int argc, char** argv) {
  return vpowercap::run_program("vpowercap", vpowercap::run_command, argc, argv);
}
