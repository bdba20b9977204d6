# SPDX-License-Identifier: Apache-2.0
"""Tests of survival in their full length."""
