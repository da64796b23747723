"""The agents that come with emonk. Each stands on the public door only, as any other agent would."""
