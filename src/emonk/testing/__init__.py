"""What tests of agents need: a scripted model, a clock moved by hand, and local stand-ins for services they call."""
