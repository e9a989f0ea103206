SELECT context FROM contexts
