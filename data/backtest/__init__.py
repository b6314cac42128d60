"""Back-tests of forecasts on files of past readings and trips."""
